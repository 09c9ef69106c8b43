"""How long a campaign takes, told before it is launched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.policies.launch_estimate import first_round_s, in_words


@pytest.mark.parametrize(
    ("contacts", "calls_per_second", "max_concurrent_calls", "duration_s"),
    [(0, 1, 1, 0), (100, 1, 1000, 100), (100, 10, 60, 100), (3600, 1, 30, 7200), (5, 0, 1, float("inf"))],
)
def test_the_slower_limit_decides(contacts, calls_per_second, max_concurrent_calls, duration_s):
    found_s = first_round_s(contacts, calls_per_second=calls_per_second, max_concurrent_calls=max_concurrent_calls)
    assert found_s == pytest.approx(duration_s)


@pytest.mark.parametrize(
    ("duration_s", "words"),
    [
        (0, "less than a minute"),
        (59, "less than a minute"),
        (60, "about 1 minute"),
        (1800, "about 30 minutes"),
        (3600, "about 1 hour"),
        (9000, "about 2 hours"),
        (86_400 * 3, "about 3 days"),
        (float("inf"), "longer than anybody can wait"),
    ],
)
def test_in_words(duration_s, words):
    assert in_words(duration_s) == words


@given(st.floats(min_value=0, allow_nan=False))
def test_every_duration_has_words(duration_s):
    assert in_words(duration_s)
