"""Stopping what fails: the trunk, or only the campaign that fails on it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.enums import AttemptState, CampaignState, ContactState, Outcome, TrunkHold
from campaigns.models import CallAttempt, Campaign, CampaignEvent, Trunk
from campaigns.services import trunks
from campaigns.services.campaigns import resume
from campaigns.services.post_breaker import stop_if_failing
from tests.factories import NOW, make_attempt, make_campaign, make_contact

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


def posted(campaign: Campaign, count: int, *, is_failed: bool = False, at=NOW - 5 * SECOND) -> CallAttempt:
    state, reason = (AttemptState.UNKNOWN, "http_500") if is_failed else (AttemptState.PLACED, "placed")
    contacts = [make_contact(campaign, state=ContactState.DIALING) for _ in range(count)]
    return [make_attempt(contact, state=state, reason=reason, at=at) for contact in contacts][-1]


def test_a_trunk_stops_and_says_what_failed() -> None:
    campaign = make_campaign()
    posted(campaign, 8)
    attempt = posted(campaign, 2, is_failed=True)
    assert stop_if_failing(attempt, now=NOW) is True
    event = CampaignEvent.objects.get()
    assert (Trunk.objects.get().hold, event.kind, len(event.details["failures"])) == (
        TrunkHold.BREAKER,
        "trunk_held",
        2,
    )
    assert stop_if_failing(attempt, now=NOW) is False


@pytest.mark.parametrize(
    ("outcome", "reason", "is_stopped"),
    [
        (Outcome.RELEASED, "not_connected", True),
        (Outcome.RELEASED, "http_429", False),
        (Outcome.RELEASED, "paused", False),
        (Outcome.FAILED, "refused_http_400", False),
    ],
)
def test_only_requests_that_failed_count(outcome: Outcome, reason: str, is_stopped: bool) -> None:
    campaign = make_campaign()
    posted(campaign, 9)
    contacts = [make_contact(campaign) for _ in range(4)]
    ended = [make_attempt(contact, outcome=outcome, reason=reason, at=NOW - 5 * SECOND) for contact in contacts]
    assert stop_if_failing(ended[0], now=NOW) is is_stopped


def test_what_failed_a_minute_ago_is_over() -> None:
    campaign = make_campaign()
    posted(campaign, 20, is_failed=True, at=NOW - 62 * SECOND)
    assert stop_if_failing(posted(campaign, 1, is_failed=True), now=NOW) is False


def test_a_campaign_that_fails_among_others_stops_alone() -> None:
    failing, working = make_campaign(), make_campaign()
    posted(working, 60)
    attempt = posted(failing, 10, is_failed=True)
    assert stop_if_failing(attempt, now=NOW) is True
    assert [Campaign.objects.get(pk=one.pk).state for one in (failing, working)] == [
        CampaignState.PAUSED,
        CampaignState.RUNNING,
    ]
    assert Trunk.objects.get().hold == TrunkHold.NONE
    log = list(CampaignEvent.objects.filter(campaign=failing).order_by("id").values_list("kind", "message"))
    assert log[0] == ("pause", "Paused: 10 of the last minute's 10 requests to the switch failed.")
    assert log[1][0] == "requests_failed"
    resume(failing.pk, now=NOW + SECOND)
    assert stop_if_failing(attempt, now=NOW + 2 * SECOND) is False


def test_a_released_trunk_starts_slowly_and_stops_at_three_failures() -> None:
    campaign = make_campaign()
    posted(campaign, 20, is_failed=True)
    Trunk.objects.update(hold=TrunkHold.BREAKER)
    trunks.release_hold(campaign.trunk_id, now=NOW)
    trunk = Trunk.objects.get()
    assert (trunk.hold, trunk.released_at, trunk.throttled_until) == (TrunkHold.NONE, NOW, NOW)
    later = NOW + 5 * SECOND
    assert stop_if_failing(posted(campaign, 2, is_failed=True, at=later), now=later + SECOND) is False
    assert stop_if_failing(posted(campaign, 1, is_failed=True, at=later), now=later + SECOND) is True


def test_the_breaker_can_be_switched_off(settings) -> None:
    settings.BREAKER_FAILED_SHARE = 0
    assert stop_if_failing(posted(make_campaign(), 30, is_failed=True), now=NOW) is False
