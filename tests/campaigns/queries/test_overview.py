"""Today at a glance, from rows made by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from campaigns.enums import CampaignState, ContactState, Outcome
from campaigns.models import Campaign
from campaigns.queries.live import call_now, campaign_now
from campaigns.queries.overview import overview, progress_of
from tests.factories import NOW, make_attempt, make_call, make_campaign, make_contact

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def local_time(settings):
    settings.TIME_ZONE = "Asia/Ho_Chi_Minh"


def test_overview_of_nothing_is_zeros():
    found = overview(NOW)

    assert (found.traffic.attempts, found.live_count, found.waiting) == (0, 0, 0)
    assert (found.traffic.asr, found.traffic.answer_rate, found.acd_s) == (None, None, None)
    assert (found.active, found.live, found.latest) == ((), (), ())


def test_overview_counts_today_only():
    midnight_at = datetime(2026, 11, 19, 17, 0, tzinfo=UTC)
    make_call(make_attempt(outcome=Outcome.ANSWERED, at=midnight_at), duration_s=30)
    make_attempt(outcome=Outcome.BUSY, at=NOW)
    make_call(make_attempt(outcome=Outcome.ANSWERED, at=midnight_at - timedelta(minutes=1)), duration_s=90)

    found = overview(NOW)

    assert (found.traffic.attempts, found.traffic.answered) == (2, 1)
    assert found.traffic.outcomes[Outcome.ANSWERED] == 1
    assert found.acd_s == pytest.approx(30)
    assert len(found.latest) == 2


def test_overview_lists_active_campaigns_and_live_calls():
    live = make_call(duration_s=None)
    assert live.attempt is not None
    running = live.attempt.campaign
    paused = make_campaign(state=CampaignState.PAUSED)
    make_contact(paused)
    make_campaign(state=CampaignState.FINISHED)
    make_campaign(state=CampaignState.DRAFT)

    found = overview(NOW)

    assert {progress.campaign for progress in found.active} == {running, paused}
    assert (found.live, found.live_count, found.waiting) == ((live,), 1, 1)


def test_progress_counts_what_is_settled_in_one_query(django_assert_num_queries):
    campaign = make_campaign()
    for state in ContactState:
        make_contact(campaign, state=state)
    empty = make_campaign()
    campaigns = list(Campaign.objects.order_by("id"))

    with django_assert_num_queries(1):
        full, none = progress_of(campaigns)

    assert (full.total, full.settled) == (6, 4)
    assert full.share == pytest.approx(4 / 6)
    assert (none.campaign, none.total, none.share) == (empty, 0, None)


def test_campaign_and_call_now_are_none_when_gone():
    call = make_call()
    call_id = call.pk
    call.turns.all().delete()
    call.delete()

    assert campaign_now(0, NOW) is None
    assert call_now(call_id) is None


def test_campaign_now_shows_its_own_live_calls():
    mine, other = make_call(duration_s=None), make_call(duration_s=None)
    assert mine.attempt is not None
    assert other.attempt is not None

    found = campaign_now(mine.attempt.campaign_id, NOW)

    assert found is not None
    assert found.live == (mine,)
    assert found.stats.live_calls == 1
