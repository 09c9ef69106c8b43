"""What people do on the pages, done in Chromium."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from playwright.sync_api import Page, expect

from campaigns.enums import AttemptState, CampaignState, ContactState, EndedBy, SpeakerKind
from campaigns.models import Call, Campaign
from tests.browser.conftest import Visit
from tests.browser.world import World
from tests.factories import Line, add_turns, make_attempt, make_call, make_contact, make_customer

UNTOUCHED = "window.untouched = true"


def expect_live(page: Page) -> None:
    expect(page.locator("[data-live-badge]")).to_have_attribute("data-state", "live")


def expect_not_reloaded(page: Page) -> None:
    assert page.evaluate("window.untouched") is True


def test_the_overview_follows_what_happens_without_a_reload(visit: Visit, world: World):
    page = visit.go("/")
    expect_live(page)
    page.evaluate(UNTOUCHED)
    tile = page.locator(".tile--live dd")
    expect(tile).to_have_text("3")

    now = timezone.now()
    contact = make_contact(world.campaign, customer=make_customer(name="Newly Answered"), state=ContactState.DIALING)
    attempt = make_attempt(contact, at=now - timedelta(seconds=9), state=AttemptState.IN_CALL, answered_at=now)
    call = make_call(attempt, duration_s=None, lines=())

    expect(tile).to_have_text("4")
    row = page.locator("[data-region=live_calls] tr", has_text="Newly Answered")
    expect(row.locator("time")).to_have_text(re.compile(r"^0:0\d$"))
    Call.objects.filter(pk=call.pk).update(ended_at=timezone.now(), ended_by=EndedBy.CUSTOMER_HANGUP)
    expect(row).to_have_count(0)
    expect(page.locator("[data-region=latest_calls]")).to_contain_text("Newly Answered")
    expect_not_reloaded(page)
    assert visit.complaints == []


def test_a_live_call_is_read_as_it_is_spoken(visit: Visit, world: World):
    page = visit.go(f"/calls/{world.live_call.pk}/")
    expect_live(page)
    page.evaluate(UNTOUCHED)
    expect(page.locator(".turn")).to_have_count(2)

    lines = [
        Line(SpeakerKind.CUSTOMER, "Who is <b>this</b>?", 9500, 10_400),
        Line(SpeakerKind.AGENT, "We are the service desk.", 8800, 9600, heard="We are"),
    ]
    add_turns(world.live_call, lines)

    # In time order, whatever the order of writing; markup is text; what was not heard is struck through.
    expect(page.locator(".turn p")).to_have_text(
        [re.compile("two minutes"), "Yes, go ahead.", "We are the service desk.", "Who is <b>this</b>?"]
    )
    expect(page.locator("s.unheard")).to_have_text("the service desk.")
    Call.objects.filter(pk=world.live_call.pk).update(ended_at=timezone.now(), ended_by=EndedBy.CUSTOMER_HANGUP)
    expect(page.locator("[data-region=call_state]")).to_contain_text("Customer hung up")
    expect_not_reloaded(page)
    page.get_by_role("link", name="Show the results").click()
    expect(page.get_by_role("heading", name="Analysis")).to_be_visible()
    assert visit.complaints == []


def test_pause_asks_first_and_then_pauses(visit: Visit, world: World, shots: Path):
    page = visit.go(f"/campaigns/{world.campaign.pk}/")
    expect(page.get_by_role("button", name="Launch…")).to_be_hidden()
    page.get_by_role("button", name="Pause…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("No further call is placed.")
    page.screenshot(path=shots / "dialog-1280.png")
    dialog.get_by_role("button", name="Back").click()
    expect(dialog).to_be_hidden()
    assert Campaign.objects.get(pk=world.campaign.pk).state == CampaignState.RUNNING

    page.get_by_role("button", name="Pause…").click()
    dialog.get_by_role("button", name="Pause", exact=True).click()

    expect(page.locator(".note--success")).to_contain_text("is paused")
    expect(page.locator("[data-region=campaign_state]")).to_have_text("Paused")
    expect(page.get_by_role("button", name="Resume…")).to_be_visible()
    assert Campaign.objects.get(pk=world.campaign.pk).state == CampaignState.PAUSED
    assert visit.complaints == []


def test_buttons_follow_a_state_changed_elsewhere(visit: Visit, world: World):
    page = visit.go(f"/campaigns/{world.campaign.pk}/")
    expect_live(page)

    Campaign.objects.filter(pk=world.campaign.pk).update(state=CampaignState.PAUSED)

    expect(page.get_by_role("button", name="Resume…")).to_be_visible()
    expect(page.get_by_role("button", name="Pause…")).to_be_hidden()


def test_a_launch_that_is_not_ready_says_why(visit: Visit, world: World, shots: Path):
    page = visit.go(f"/campaigns/{world.draft.pk}/")
    page.get_by_role("button", name="Launch…").click()
    page.get_by_role("dialog").get_by_role("button", name="Launch", exact=True).click()

    expect(page.locator(".note--error").first).to_be_visible()
    page.screenshot(path=shots / "not-ready-1280.png")
    assert Campaign.objects.get(pk=world.draft.pk).state == CampaignState.DRAFT


def test_a_turn_plays_from_where_it_was_spoken(visit: Visit, world: World, shots: Path):
    page = visit.go(f"/calls/{world.ended_call.pk}/")
    position = "document.querySelector('audio').currentTime"
    page.wait_for_function("() => document.querySelector('audio').readyState >= 1")
    assert page.evaluate("document.querySelector('audio').duration") == pytest.approx(36.4, abs=0.1)

    page.locator(".turn", has_text="recommend us").get_by_role("button").click()

    page.wait_for_function(f"() => {position} > 14.8")
    assert page.evaluate(position) < 20
    expect(page.locator(".turn.is-playing")).to_contain_text("recommend us")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    page.screenshot(path=shots / "playing-1280.png")
    page.get_by_role("slider").press("ArrowRight")
    page.wait_for_function(f"() => {position} > 19.7")
    page.get_by_role("button", name="Speed").click()
    assert page.evaluate("document.querySelector('audio').playbackRate") == 1.25
    assert visit.complaints == []


def test_a_page_that_lost_its_socket_says_so_and_comes_back(visit: Visit, world: World):
    page = visit.go("/")
    expect_live(page)
    badge = page.locator("[data-live-badge]")

    visit.page.context.set_offline(True)
    page.evaluate("document.querySelector('[data-live-badge]').dataset.seen = 'yes'")
    visit.cut_sockets()
    expect(badge).to_have_attribute("data-state", "stale")
    expect(badge).to_have_text("Stale, reconnecting")
    visit.page.context.set_offline(False)

    expect_live(page)


def test_a_session_that_ended_is_said_and_not_retried(visit: Visit, world: World, monkeypatch):
    monkeypatch.setattr("campaigns.web.live.socket.SESSION_CHECK_EVERY_S", 0.1)
    page = visit.go("/")
    expect_live(page)

    Session.objects.all().delete()

    expect(page.locator("[data-live-badge]")).to_have_text("Signed out")


def test_calls_are_found_by_what_was_said(visit: Visit, world: World):
    page = visit.go("/calls/")
    page.get_by_label("Said in the call").fill("get through")
    page.get_by_role("button", name="Filter").click()

    rows = page.locator("tbody tr")
    expect(rows).to_have_count(1)
    rows.get_by_role("link").click()
    expect(page).to_have_url(re.compile(f"/calls/{world.ended_call.pk}/$"))
