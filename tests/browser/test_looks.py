"""Every page in Chromium: it renders at both widths, complains of nothing, asks no other host for anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from campaigns.tasks.rehearsals import rehearse_campaign
from tests.browser.conftest import DESKTOP, PHONE, Visit
from tests.browser.world import World


def addresses(world: World) -> dict[str, str]:
    return {
        "overview": "/",
        "campaigns": "/campaigns/",
        "campaign": f"/campaigns/{world.campaign.pk}/",
        "preflight": f"/campaigns/{world.campaign.pk}/preflight/",
        "rehearsal": f"/campaigns/{world.campaign.pk}/rehearsal/",
        "contact": f"/contacts/{world.waiting.pk}/",
        "contact-done": f"/contacts/{world.called.pk}/",
        "calls": "/calls/",
        "call": f"/calls/{world.ended_call.pk}/",
        "live-call": f"/calls/{world.live_call.pk}/",
        "lists": "/lists/",
        "nothing": "/campaigns/?state=scheduled",
    }


@pytest.mark.parametrize(("width", "height"), [DESKTOP, PHONE])
def test_every_page_renders_without_complaints_or_overflow(visit: Visit, world: World, shots: Path, width, height):
    visit.page.set_viewport_size({"width": width, "height": height})
    rehearse_campaign(campaign_id=world.campaign.pk, limit=5)
    for name, address in addresses(world).items():
        page = visit.go(address)
        page.wait_for_function("() => document.fonts.status === 'loaded'")
        page.screenshot(path=shots / f"{name}-{width}.png", full_page=True)
        assert visit.overflow_px() == 0, name
        assert visit.complaints == [], name


def test_dark_pages_render(visit: Visit, world: World, shots: Path):
    visit.page.emulate_media(color_scheme="dark")
    for name in ("overview", "call"):
        page = visit.go(addresses(world)[name])
        page.screenshot(path=shots / f"{name}-dark.png", full_page=True)
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 18, 23)"
    assert visit.complaints == []


def test_sign_in_page_renders(chromium, site: str, shots: Path):
    page = chromium.new_page()
    page.goto(f"{site}/sign-in/")
    page.screenshot(path=shots / "sign-in.png")
    assert page.get_by_role("button", name="Sign in").is_visible()
    page.close()
