"""What agents write into tool calls, read by table; whatever they write, nothing else than a request or a reason."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents.base import ToolCall
from bridge.session import AddToDnc, ScheduleCallback
from bridge.session.tools import (
    MAX_CALLS_PER_MINUTE,
    MAX_REMEMBERED_IDS,
    BadToolCall,
    RecordAnswer,
    SeenIds,
    SetDisposition,
    ToolBudget,
    read_tool_call,
)

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HANOI = timezone(timedelta(hours=7))


@pytest.mark.parametrize(
    ("name", "arguments", "request_"),
    [
        ("record_answer", {"key": "a", "question": "A?", "value": "yes"}, RecordAnswer("a", "A?", "yes")),
        ("record_answer", {"key": " a ", "value": 3}, RecordAnswer("a", "", "3")),
        ("record_answer", {"key": "a", "value": "x\0y\ud800"}, RecordAnswer("a", "", "xy?")),
        ("set_disposition", {"disposition": "sold"}, SetDisposition("sold")),
        ("add_to_dnc", {}, AddToDnc("")),
        ("add_to_dnc", {"reason": "asked"}, AddToDnc("asked")),
        (
            "schedule_callback",
            {"at": "2026-03-03T15:00:00+07:00", "note": "mornings"},
            ScheduleCallback(datetime(2026, 3, 3, 15, tzinfo=HANOI), "mornings"),
        ),
        (
            "schedule_callback",
            {"at": "2026-05-01T09:00:00Z"},
            ScheduleCallback(datetime(2026, 5, 1, 9, tzinfo=UTC), ""),
        ),
    ],
)
def test_request_is_read(name, arguments, request_):
    assert read_tool_call(ToolCall("t", name, arguments), NOW) == request_


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("record_answer", {"value": "yes"}, "key: is missing"),
        ("record_answer", {"key": "a", "value": ["x"]}, "value: must be text"),
        ("record_answer", {"key": "a" * 101}, "key: at most 100 characters"),
        ("set_disposition", {"disposition": " "}, "disposition: is missing"),
        ("set_disposition", {"disposition": "x" * 41}, "disposition: at most 40 characters"),
        ("schedule_callback", {}, "at: write date, time and offset"),
        ("schedule_callback", {"at": 5}, "at: write date, time and offset"),
        ("schedule_callback", {"at": "tomorrow"}, "at: write date, time and offset"),
        ("schedule_callback", {"at": "2026-03-03T15:00:00"}, "at: write date, time and offset"),
        ("schedule_callback", {"at": "2026-03-02T16:00:00+07:00"}, r"which is 2026-03-02T16:00\+07:00"),
        ("schedule_callback", {"at": "2026-05-02T09:00:00Z"}, "within 60 days from now"),
        ("fly_away", {}, "no such tool"),
    ],
)
def test_reason_says_what_to_change(name, arguments, reason):
    with pytest.raises(BadToolCall, match=reason):
        read_tool_call(ToolCall("t", name, arguments), NOW)


@given(
    st.sampled_from(["record_answer", "set_disposition", "add_to_dnc", "schedule_callback", "x"]),
    st.dictionaries(
        st.sampled_from(["key", "value", "question", "disposition", "reason", "at", "note"]),
        st.one_of(st.none(), st.text(), st.floats(), st.integers(), st.lists(st.text()), st.datetimes().map(str)),
    ),
)
def test_any_arguments_make_a_request_or_a_reason(name, arguments):
    with suppress(BadToolCall):
        read_tool_call(ToolCall("t", name, arguments), NOW)


def test_budget_is_a_number_of_calls_a_minute():
    budget = ToolBudget()
    assert [budget.takes(at_ms) for at_ms in range(MAX_CALLS_PER_MINUTE + 1)] == [True] * MAX_CALLS_PER_MINUTE + [False]
    assert not budget.takes(59_999)
    assert budget.takes(60_000)
    assert not budget.takes(60_000)


def test_repeated_id_is_seen_while_it_is_remembered():
    seen = SeenIds()
    assert [seen.is_new(id_) for id_ in ("a", "b", "a", "", "")] == [True, True, False, True, True]
    for number in range(MAX_REMEMBERED_IDS):
        seen.is_new(str(number))
    assert seen.is_new("a")
