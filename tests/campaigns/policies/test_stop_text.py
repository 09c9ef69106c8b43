"""Stops of all dialing in words."""

from __future__ import annotations

import pytest

from campaigns.policies.stop_text import lifted_in_words, live_in_words, stopped_in_words


@pytest.mark.parametrize(
    ("live", "expected"),
    [
        (0, "No call that a campaign has placed is live now."),
        (1, "1 call that campaigns have placed is live now."),
        (1200, "1,200 calls that campaigns have placed are live now."),
    ],
)
def test_live_calls_are_counted_before_a_stop(live, expected) -> None:
    assert live_in_words(live) == expected


@pytest.mark.parametrize(
    ("live", "hangs_up", "expected"),
    [
        (0, False, "No call was live."),
        (0, True, "No call was live."),
        (1, False, "1 live call goes on to its end."),
        (1, True, "1 live call is being hung up."),
        (2, False, "2 live calls go on to their end."),
        (2, True, "2 live calls are being hung up."),
    ],
)
def test_a_stop_tells_what_becomes_of_live_calls(live, hangs_up, expected) -> None:
    assert stopped_in_words(live, hangs_up=hangs_up) == f"Nothing is dialed any more. {expected}"


@pytest.mark.parametrize(
    ("lifted", "expected"),
    [
        (0, "No stop was in force."),
        (1, "1 stop was lifted. Dialing goes on."),
        (2, "2 stops were lifted. Dialing goes on."),
    ],
)
def test_lifted_stops_are_counted(lifted, expected) -> None:
    assert lifted_in_words(lifted) == expected
