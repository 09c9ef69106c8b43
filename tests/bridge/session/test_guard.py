"""Bounds on a peer: size, rate, and malformed messages."""

from __future__ import annotations

import pytest

from bridge.session.contracts import CloseCode, Limits
from bridge.session.guard import InboundGuard, Violation


@pytest.mark.parametrize(("size_bytes", "is_refused"), [(262_143, False), (262_144, False), (262_145, True)])
def test_guard_refuses_a_message_over_the_limit(size_bytes, is_refused):
    violation = InboundGuard(Limits()).received(size_bytes, 0)
    assert (violation is not None and violation.close_code == CloseCode.TOO_BIG) is is_refused


def rate(guard: InboundGuard, per_second: int, size_bytes: int, seconds: int) -> list[int]:
    """The seconds in which a violation was told."""
    return sorted(
        {
            second
            for second in range(seconds)
            for index in range(per_second)
            if guard.received(size_bytes, second + index / per_second) is not None
        }
    )


@pytest.mark.parametrize(
    ("per_second", "size_bytes", "violated_in"),
    [(200, 600, []), (201, 600, [5, 6]), (100, 6_000, [5, 6]), (50, 10_485, [])],
)
def test_guard_ends_a_flood_after_five_seconds(per_second, size_bytes, violated_in):
    assert rate(InboundGuard(Limits()), per_second, size_bytes, 7) == violated_in


@pytest.mark.parametrize(("per_second", "violated_in"), [(400, []), (401, [5, 6])])
def test_guard_lets_a_vendor_send_twice_what_it_sends_while_all_is_well(per_second, violated_in):
    assert rate(InboundGuard(Limits(), honest_per_s=200), per_second, 100, 7) == violated_in


def test_guard_forgives_a_burst():
    guard = InboundGuard(Limits())
    assert rate(guard, 1_000, 100, 4) == []
    assert guard.received(100, 10) is None
    assert guard.received(100, 11) is None


def test_guard_counts_bad_messages_in_a_row_and_in_all():
    guard = InboundGuard(Limits(max_bad_in_a_row=3, max_bad_messages=5))
    for is_good in (False, False, True, False, False, True):
        if is_good:
            guard.well_formed()
        else:
            assert guard.malformed() is None
    assert guard.malformed() == Violation(CloseCode.BAD_MESSAGES, "5 unreadable messages")


def test_pause_ends_in_the_next_second():
    guard = InboundGuard(Limits(max_messages_per_s=2))
    for _ in range(2):
        guard.received(10, 7.25)
        assert not guard.is_over_rate
    guard.received(10, 7.25)
    assert guard.is_over_rate
    assert int(7.25 + guard.pause_s(7.25)) == 8
    guard.received(10, 8.1)
    assert not guard.is_over_rate
