"""Which calls a filter lets through."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from campaigns.enums import Outcome, SpeakerKind
from campaigns.models import Call
from campaigns.queries.calls import CallFilter, call_detail, calls_matching, dispositions, duration_s, live_calls
from tests.factories import NOW, Line, make_agent, make_attempt, make_call, make_campaign, make_contact

pytestmark = pytest.mark.django_db


def call_at(started_at: datetime, **fields) -> Call:
    return make_call(make_attempt(outcome=Outcome.ANSWERED), started_at=started_at, **fields)


def test_an_empty_filter_lets_everything_through_newest_first():
    older, newer = call_at(NOW - timedelta(hours=1)), call_at(NOW)

    assert list(calls_matching(CallFilter())) == [newer, older]


def test_campaign_agent_outcome_and_disposition_narrow():
    campaign = make_campaign(agent=make_agent("Other agent"))
    wanted = make_call(make_attempt(make_contact(campaign), outcome=Outcome.MACHINE), disposition="voicemail")
    call_at(NOW, disposition="completed")

    for narrowed in (
        CallFilter(campaign_id=campaign.pk),
        CallFilter(agent_id=campaign.agent_id),
        CallFilter(outcome=Outcome.MACHINE),
        CallFilter(disposition="voicemail"),
    ):
        assert list(calls_matching(narrowed)) == [wanted]
    assert list(calls_matching(CallFilter(campaign_id=campaign.pk, disposition="completed"))) == []


def test_days_are_local_and_both_included(settings):
    settings.TIME_ZONE = "Asia/Ho_Chi_Minh"
    first = call_at(datetime(2026, 11, 19, 17, 0, tzinfo=UTC))
    last = call_at(datetime(2026, 11, 20, 16, 59, 59, tzinfo=UTC))
    call_at(datetime(2026, 11, 19, 16, 59, 59, tzinfo=UTC))
    call_at(datetime(2026, 11, 20, 17, 0, tzinfo=UTC))
    day = date(2026, 11, 20)

    assert list(calls_matching(CallFilter(from_date=day, to_date=day))) == [last, first]


@pytest.mark.parametrize(
    ("shortest_s", "longest_s", "expected"),
    [(None, None, [60, 10, None]), (10, None, [60, 10]), (11, None, [60]), (None, 59, [10]), (10, 60, [60, 10])],
)
def test_durations_include_their_bounds_and_leave_out_live_calls(shortest_s, longest_s, expected):
    for age, length_s in enumerate((60, 10)):
        call_at(NOW - timedelta(hours=age), duration_s=length_s)
    make_call(duration_s=None, started_at=NOW - timedelta(hours=3))

    found = calls_matching(CallFilter(min_duration_s=shortest_s, max_duration_s=longest_s))

    assert [None if call.ended_at is None else duration_s(call, NOW) for call in found] == expected


def test_text_is_found_in_any_turn_and_a_call_only_once():
    said = make_call(
        lines=[Line(SpeakerKind.CUSTOMER, "Call me on Tuesday", 0, 1), Line(SpeakerKind.AGENT, "Tuesday, then.", 2, 3)]
    )
    make_call(lines=[Line(SpeakerKind.CUSTOMER, "100 % sure_", 0, 1)])

    assert list(calls_matching(CallFilter(text="tuesday"))) == [said]
    assert list(calls_matching(CallFilter(text="%"))) != [said]
    assert list(calls_matching(CallFilter(text="_x"))) == []


def test_call_detail_brings_turns_in_time_order():
    call = make_call(lines=[Line(SpeakerKind.AGENT, "second", 500, 900), Line(SpeakerKind.CUSTOMER, "first", 100, 400)])

    detail = call_detail(call.pk)

    assert detail is not None
    assert [turn.text for turn in detail.turns] == ["first", "second"]
    assert (detail.analysis, detail.steps) == (None, ())


def test_call_detail_of_nothing_is_none():
    assert call_detail(UUID(int=0)) is None


def test_live_calls_are_those_without_an_end():
    live = make_call(duration_s=None)
    make_call()

    assert list(live_calls()) == [live]
    assert duration_s(live, live.started_at + timedelta(seconds=7)) == 7


def test_dispositions_are_named_once():
    for disposition in ("completed", "", "declined", "completed"):
        make_call(disposition=disposition)

    assert dispositions() == ["completed", "declined"]
