"""Why a contact waits, in words."""

from __future__ import annotations

import pytest

from campaigns.policies.wait_text import next_try_because, try_in_words


@pytest.mark.parametrize(
    ("reason", "because"),
    [
        ("no_answer", "After no answer; attempt 3 of at most 5 comes next."),
        ("answered: not_now", "After answered, “not_now”; attempt 3 of at most 5 comes next."),
        ("callback", "The customer asked to be called then."),
        (
            "callback_expired",
            "The customer's wish to be called could not be met in time; it is called like all others.",
        ),
        ("outside_window", "Put off until this holds: The calling window is open there."),
        ("not_connected", "Put off: not connected."),
        ("", "Its first attempt comes next."),
    ],
)
def test_the_reason_of_a_wait_in_words(reason, because) -> None:
    assert next_try_because(reason, attempts_made=2, max_attempts=5) == because


def test_only_an_end_is_followed_by_another_try() -> None:
    assert [try_in_words(reason) for reason in ("busy", "outside_window", "")] == ["busy", "", ""]
