"""A manager's day in a real browser, from the upload to the recording, against the whole platform and a PSR."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, FilePayload, Page, expect

from tests.browser.conftest import DESKTOP, Visit, chromium, shots
from tests.e2e.campaigns import AROUND_THE_CLOCK, import_list
from tests.e2e.harness import ADMIN_PASSWORD, PSR_TOKEN, Platform, Simulator, start_platform, start_simulator

__all__ = ["chromium", "shots"]  # fixtures
pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.timeout(240)]

# Two people without time, a number that is none, and the first once more, written otherwise.
CSV = """phone,name,plan
0912345623,Anh Nguyen,gold
0912345624,Binh Tran,basic
12ab,Nobody,gold
+84 912 345 623,Anh,gold
"""
# One answers a question and hangs up in the next, the other hangs up after two seconds.
PAUSED_BETWEEN = "phone,name\n0915345654,Lan Pham\n0915345752,Minh Do\n"
IMPORT_MS, CALLS_MS, RESULTS_MS = 30_000, 60_000, 30_000
# The dialer looks once a second.
THREE_TICKS_MS = 3_000
UNTOUCHED = "window.untouched = true"


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    simulator = start_simulator(tmp_path_factory.mktemp("simulator"), "--ring-min", "0.2", "--ring-max", "0.6")
    yield simulator
    simulator.process.stop()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[Platform]:
    platform = start_platform(tmp_path_factory.mktemp("platform"), PSR_BASE_URL=simulator.url, PSR_TOKEN=PSR_TOKEN)
    platform.post("agents/", 201, json={"name": "Linh", "kind": "scripted"})
    yield platform
    platform.stop()


@pytest.fixture
def profile(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]}, timezone_id="Asia/Ho_Chi_Minh")
    context.set_default_timeout(15_000)
    yield context
    context.close()


@pytest.fixture
def visit(profile: BrowserContext, platform: Platform) -> Visit:
    """A page of somebody who has just signed in."""
    visit = Visit(profile.new_page(), platform.url)
    page = visit.go("/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(ADMIN_PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    return visit


def upload(page: Page, shots: Path) -> None:
    """From the page of lists to the import's end, which the page shows by itself."""
    page.get_by_role("link", name="Lists").click()
    page.get_by_role("link", name="Upload customers").click()
    file = FilePayload(name="spring.csv", mimeType="text/csv", buffer=CSV.encode())
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_label("Name of the new list").fill("Spring customers")
    page.screenshot(path=shots / "upload.png", full_page=True)
    page.get_by_role("button", name="Upload", exact=True).click()

    expect(page.locator("[data-import]")).to_have_attribute("data-state", "done", timeout=IMPORT_MS)
    shown = {name: page.locator(f"[data-import-field={name}]").inner_text() for name in ("state", *COUNTS)}
    assert shown == {"state": "Done"} | COUNTS
    rejected = page.locator("[data-import] tbody tr")
    expect(rejected).to_have_count(1)
    expect(rejected).to_contain_text("12ab")
    page.screenshot(path=shots / "import.png", full_page=True)


COUNTS = {"rows_total": "4", "rows_accepted": "2", "rows_duplicate": "1", "rows_rejected": "1"}


def add_campaign(page: Page, shots: Path) -> None:
    """From the page of campaigns through the admin's form to a draft that is ready."""
    page.goto(re.sub(r"/admin/.*", "/campaigns/", page.url))
    page.get_by_role("link", name="New campaign").click()
    page.get_by_label("Name", exact=False).first.fill("Spring")
    page.locator(".select2-search__field").first.fill("Spring")
    page.locator(".select2-results__option", has_text="Spring customers").click()
    page.locator("select[name=agent]").select_option(label="Linh")
    page.locator("select[name=trunk]").select_option(index=1)
    for day in AROUND_THE_CLOCK["days"]:
        page.locator(f"[name=calling_window_{day}]").fill("00:00-24:00")
    page.screenshot(path=shots / "campaign-form.png", full_page=True)
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_text("Ready to launch.")).to_be_visible()
    page.screenshot(path=shots / "campaign-draft.png", full_page=True)


def launch(page: Page, shots: Path) -> None:
    """By the admin's page that says first what will happen."""
    page.get_by_role("link", name="Launch…").click()
    expect(page.get_by_role("heading", name="Launch?")).to_be_visible()
    expect(page.locator("form section")).to_contain_text("2 ")
    page.screenshot(path=shots / "launch.png", full_page=True)
    page.get_by_role("button", name="Launch now").click()
    expect(page.get_by_text("“Spring” was launched.")).to_be_visible()


def watch(page: Page, shots: Path) -> None:
    """The campaign's page from the first call to the end, without a reload."""
    page.evaluate(UNTOUCHED)
    live = page.locator("[data-region=live_calls] tbody tr")
    expect(live.first).to_be_visible(timeout=CALLS_MS)
    expect(live.first.locator("time")).to_have_text(re.compile(r"^0:\d\d$"))
    page.screenshot(path=shots / "campaign-live.png", full_page=True)
    expect(page.locator("[data-region=campaign_state]")).to_have_text("Finished", timeout=CALLS_MS)
    expect(live).to_have_count(0)
    expect(page.locator("#contacts tbody tr", has_text="Done")).to_have_count(2)
    assert page.evaluate("window.untouched") is True
    page.screenshot(path=shots / "campaign-finished.png", full_page=True)


def read_call(page: Page, shots: Path) -> None:
    """The page of a call that has ended: what was said, what it sounds like, what it amounts to."""
    page.get_by_role("link", name="Its calls").click()
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(2)
    rows.first.get_by_role("link").click()
    expect(page.locator(".turn--agent").first).to_be_visible()
    expect(page.locator(".turn--customer")).to_have_count(1)
    page.wait_for_function("() => document.querySelector('audio').readyState >= 1")
    assert page.evaluate("document.querySelector('audio').duration") > 5
    expect(page.get_by_role("heading", name="Analysis")).to_be_visible()
    page.screenshot(path=shots / "call.png", full_page=True)


def test_a_manager_uploads_launches_watches_and_reads(
    visit: Visit, platform: Platform, simulator: Simulator, shots: Path
) -> None:
    page = visit.page
    upload(page, shots)
    add_campaign(page, shots)
    launch(page, shots)
    campaign = next(found for found in platform.every("campaigns/") if found["name"] == "Spring")
    visit.go(f"/campaigns/{campaign['id']}/")
    watch(page, shots)
    read_call(page, shots)
    assert visit.complaints == []
    assert sorted(rung(simulator, "0912")) == ["0912345623", "0912345624"]


def rung(simulator: Simulator, prefix: str) -> list[str]:
    """The numbers that begin so and were dialed, in order."""
    placed = [event["destination"] for event in simulator.ledger() if event["event"] == "placed"]
    return [number for number in placed if number.startswith(prefix)]


def one_line_campaign(platform: Platform) -> dict[str, Any]:
    """A draft that calls two people one after the other."""
    job = import_list(platform, "one by one", PAUSED_BETWEEN.encode())
    fields = {
        "name": "One by one",
        "customer_lists": [job["list"]],
        "agent": platform.every("agents/")[0]["id"],
        "trunk": platform.every("trunks/")[0]["id"],
        "max_concurrent_calls": 1,
        "max_attempts": 1,
        "calling_window": AROUND_THE_CLOCK,
    }
    return dict(platform.post("campaigns/", 201, json=fields))


def press(page: Page, name: str, done: str) -> None:
    """Press a campaign's button, say yes in its dialog, and see it done."""
    page.get_by_role("button", name=f"{name}…").click()
    page.get_by_role("dialog").get_by_role("button", name=name, exact=True).click()
    expect(page.locator(".note--success")).to_contain_text(done)


def test_nothing_is_dialed_between_pause_and_resume(
    visit: Visit, platform: Platform, simulator: Simulator, shots: Path
) -> None:
    campaign = one_line_campaign(platform)
    page = visit.go(f"/campaigns/{campaign['id']}/")
    press(page, "Launch", "is launched")
    live = page.locator("[data-region=live_calls] tbody tr")
    expect(live).to_have_count(1, timeout=CALLS_MS)
    press(page, "Pause", "is paused")
    expect(page.locator("[data-region=blockers]")).to_contain_text("The campaign is paused")
    page.screenshot(path=shots / "campaign-paused.png", full_page=True)

    # The call goes on to its end; then the line is free, and stays so.
    expect(live).to_have_count(0, timeout=CALLS_MS)
    page.wait_for_timeout(THREE_TICKS_MS)
    assert len(rung(simulator, "0915")) == 1

    press(page, "Resume", "goes on")
    expect(page.locator("[data-region=campaign_state]")).to_have_text("Finished", timeout=CALLS_MS)
    assert sorted(rung(simulator, "0915")) == ["0915345654", "0915345752"]
    assert visit.complaints == []
