"""The numbers of a campaign, from rows made by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from campaigns.enums import AttemptState, ContactState, Outcome
from campaigns.models import CallAttempt
from campaigns.queries.stats import HourCount, attempts_by_hour, campaign_stats, midnight, ratio
from campaigns.states import REAL_CONTACT_STATES
from tests.factories import NOW, make_attempt, make_call, make_campaign, make_contact

pytestmark = pytest.mark.django_db


def test_campaign_stats_of_an_empty_campaign_are_zeros_without_rates():
    stats = campaign_stats(make_campaign().id, NOW)

    assert stats.contacts == {state.value: 0 for state in REAL_CONTACT_STATES}
    assert stats.outcomes == {outcome.value: 0 for outcome in Outcome}
    assert (stats.contacts_total, stats.attempts, stats.answered, stats.live_calls) == (0, 0, 0, 0)
    assert (stats.answer_rate, stats.asr, stats.acd_s) == (None, None, None)
    assert sum(hour.attempts for hour in stats.by_hour) == 0


def test_campaign_stats_count_contacts_attempts_and_calls():
    campaign = make_campaign()
    twice = make_contact(campaign, state=ContactState.DONE)
    make_attempt(twice, outcome=Outcome.BUSY, at=NOW - timedelta(hours=2))
    answered = make_attempt(twice, outcome=Outcome.ANSWERED, at=NOW)
    make_call(answered, duration_s=40)
    machine = make_attempt(make_contact(campaign), outcome=Outcome.MACHINE, at=NOW)
    make_call(machine, duration_s=20)
    make_attempt(make_contact(campaign), outcome=Outcome.RELEASED, is_counted=False)
    make_attempt(make_contact(campaign, state=ContactState.EXHAUSTED), outcome=Outcome.NO_ANSWER)
    talking = make_attempt(
        make_contact(campaign, state=ContactState.DIALING), state=AttemptState.IN_CALL, answered_at=NOW
    )
    make_call(talking, duration_s=None)
    make_attempt(make_contact(campaign, state=ContactState.DIALING), state=AttemptState.PLACED)
    make_call(make_attempt(outcome=Outcome.ANSWERED), duration_s=999)

    stats = campaign_stats(campaign.id, NOW)

    assert {state: total for state, total in stats.contacts.items() if total} == {
        "pending": 2,
        "dialing": 2,
        "done": 1,
        "exhausted": 1,
    }
    assert {outcome: total for outcome, total in stats.outcomes.items() if total} == {
        "busy": 1,
        "answered": 1,
        "machine": 1,
        "released": 1,
        "no_answer": 1,
    }
    assert (stats.contacts_total, stats.attempts, stats.answered, stats.live_calls) == (6, 5, 3, 1)
    assert stats.asr == pytest.approx(3 / 5)
    assert stats.answer_rate == pytest.approx(3 / 4)
    assert stats.acd_s == pytest.approx(30)


def test_attempts_by_hour_fills_every_hour_and_leaves_out_the_uncounted(settings):
    settings.TIME_ZONE = "Asia/Ho_Chi_Minh"
    campaign = make_campaign()
    this_hour = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
    make_attempt(make_contact(campaign), outcome=Outcome.ANSWERED, at=this_hour)
    make_attempt(make_contact(campaign), outcome=Outcome.BUSY, at=this_hour + timedelta(minutes=59, seconds=59))
    make_attempt(make_contact(campaign), outcome=Outcome.BUSY, at=this_hour - timedelta(seconds=1))
    make_attempt(make_contact(campaign), outcome=Outcome.BUSY, at=this_hour - timedelta(hours=23))
    make_attempt(make_contact(campaign), outcome=Outcome.BUSY, at=this_hour - timedelta(hours=23, seconds=1))
    make_attempt(make_contact(campaign), outcome=Outcome.RELEASED, at=this_hour, is_counted=False)

    hours = attempts_by_hour(CallAttempt.objects.all(), NOW)

    assert len(hours) == 24
    assert [hour for hour in hours if hour.attempts] == [
        HourCount(this_hour - timedelta(hours=23), 1, 0),
        HourCount(this_hour - timedelta(hours=1), 1, 0),
        HourCount(this_hour, 2, 1),
    ]


def test_midnight_is_the_one_of_the_current_time_zone(settings):
    settings.TIME_ZONE = "Asia/Ho_Chi_Minh"

    assert midnight(datetime(2026, 11, 19, 17, 0, tzinfo=UTC)) == datetime(2026, 11, 19, 17, 0, tzinfo=UTC)
    assert midnight(datetime(2026, 11, 19, 16, 59, tzinfo=UTC)) == datetime(2026, 11, 18, 17, 0, tzinfo=UTC)


@pytest.mark.parametrize(("part", "whole", "expected"), [(0, 0, None), (0, 3, 0.0), (1, 4, 0.25), (4, 4, 1.0)])
def test_ratio_is_none_without_a_whole(part, whole, expected):
    assert ratio(part, whole) == expected
