"""How numbers, times and states read on a page."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from campaigns.enums import AttemptState, CampaignState, ContactState, Outcome
from campaigns.web import filters


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "–"), (0, "0 %"), (0.5, "50 %"), (0.4444, "44.4 %"), (1.0, "100 %"), (0.9999, "100 %")],
)
def test_percent(value, expected):
    assert filters.percent(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "–"), (0, "0:00"), (41.6, "0:42"), (59.9, "1:00"), (725, "12:05"), (3723, "1:02:03")],
)
def test_seconds(value, expected):
    assert filters.seconds(value) == expected


@pytest.mark.parametrize(("value", "expected"), [(None, "–"), (999, "0:00"), (1000, "0:01"), (61_999, "1:01")])
def test_milliseconds_is_the_second_that_has_begun(value, expected):
    assert filters.milliseconds(value) == expected


def test_moment_is_local(settings):
    settings.TIME_ZONE = "Asia/Ho_Chi_Minh"
    assert filters.moment(datetime(2026, 11, 9, 17, 0, 5, tzinfo=UTC)) == "10 Nov, 00:00:05"
    assert filters.moment(None) == "–"


@pytest.mark.parametrize("choices", [AttemptState, CampaignState, ContactState, Outcome])
def test_every_state_has_a_label_and_a_tone(choices):
    for choice in choices:
        assert filters.label(choice.value)[0].isupper()
        assert filters.tone(choice.value) in {"live", "good", "warn", "bad", "busy", "quiet"}


@pytest.mark.parametrize(("reason", "expected"), [("due", "It was its turn"), ("no_consent", "No consent")])
def test_the_reason_of_a_step_is_told_in_words(reason, expected):
    assert filters.why(reason) == expected


def test_label_of_an_unknown_word_is_the_word():
    assert filters.label("callback_requested") == "Callback requested"


def test_a_number_is_shown_in_full_or_masked():
    assert filters.number_for("+84912345678", is_shown=True) == "+84912345678"
    assert filters.number_for("+84912345678", is_shown=False) == "+84•••••678"


@pytest.mark.parametrize(
    ("value", "expected"), [(1234.5, "1234.5"), (0.0, "0"), (33.333, "33.333"), (1_000_000, "1000000")]
)
def test_unlocalized_is_for_machines(value, expected):
    assert filters.unlocalized(value) == expected
