"""A real server on a real port and a real Chromium in front of it."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from tests.browser.world import World, make_world
from tests.factories import PASSWORD
from tests.threads import database_for_threads

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
)
STOP_DEADLINE_S = 20
REMEMBER_SOCKETS = """
window.openSockets = [];
window.WebSocket = class extends WebSocket {
  constructor(...rest) { super(...rest); window.openSockets.push(this); }
};
"""
DESKTOP, PHONE = (1280, 900), (390, 844)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.django_db(transaction=True))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Chromium for one module: Playwright's loop must not outlive it, or asynchronous tests could not run after it."""
    path = next((found for name in CHROMIUM_NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"no Chromium on this machine (looked for {', '.join(CHROMIUM_NAMES)})")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright's loop runs in this thread; the ORM is used here all the same, and by nobody else at that moment.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@pytest.fixture
def site(chromium, transactional_db) -> Iterator[str]:
    """The address of the whole ASGI application, served from a thread as in production."""
    from config.asgi import application

    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        application, log_level="warning", lifespan="off", ws="websockets-sansio", timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    with database_for_threads():
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(STOP_DEADLINE_S)
        listener.close()
    assert not thread.is_alive()


@pytest.fixture
def world(site: str, data_dir: Path) -> World:
    """A lively installation: campaigns, a day of attempts, finished and live calls."""
    return make_world(data_dir)


class Visit:
    """A page in front of a signed-in manager, and everything it complained about."""

    def __init__(self, page: Page, site: str) -> None:
        self.page = page
        self.site = site
        self.complaints: list[str] = []
        page.add_init_script(REMEMBER_SOCKETS)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", self._asked)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.site, "data:", "blob:")):
            self.complaints.append(f"request to another host: {request.url}")

    def go(self, path: str) -> Page:
        self.page.goto(self.site + path, wait_until="load")
        return self.page

    def cut_sockets(self) -> None:
        """End the page's sockets as a lost network does, by the browser's own means."""
        self.page.evaluate("window.openSockets.forEach((socket) => socket.close())")

    def overflow_px(self) -> int:
        """How far the page can be scrolled sideways."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.fixture
def profile(chromium: Browser, site: str, world: World) -> Iterator[BrowserContext]:
    """A browser profile signed in as the manager."""
    context = chromium.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]}, timezone_id="Asia/Ho_Chi_Minh")
    context.set_default_timeout(10_000)
    page = context.new_page()
    page.goto(f"{site}/sign-in/")
    page.fill("input[name=username]", world.manager.username)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url(f"{site}/")
    page.close()
    yield context
    context.close()


@pytest.fixture
def visit(profile: BrowserContext, site: str) -> Visit:
    return Visit(profile.new_page(), site)


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Where screenshots go: BROWSER_SHOTS when set, else the test's own directory."""
    path = Path(os.environ.get("BROWSER_SHOTS", tmp_path / "shots"))
    path.mkdir(parents=True, exist_ok=True)
    return path
