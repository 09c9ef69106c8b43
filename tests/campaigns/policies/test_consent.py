"""Consent: what a column may say, and that doubt is a no."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.policies.consent import Consent, read_consent

TODAY = date(2027, 1, 31)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Consent.MISSING),
        ("  ", Consent.MISSING),
        ("yes", Consent.GIVEN),
        (" YES ", Consent.GIVEN),
        ("Có", Consent.GIVEN),
        ("1", Consent.GIVEN),
        ("no", Consent.WITHDRAWN),
        ("Không", Consent.WITHDRAWN),
        ("withdrawn", Consent.WITHDRAWN),
        ("2027-01-31", Consent.GIVEN),
        ("until 2027-02-01", Consent.GIVEN),
        ("2027-01-30", Consent.EXPIRED),
        ("2027-02-30", Consent.UNREADABLE),
        ("31/01/2027", Consent.UNREADABLE),
        ("perhaps", Consent.UNREADABLE),
    ],
)
def test_what_a_column_says(text: str, expected: Consent) -> None:
    assert read_consent(text, TODAY) is expected


@given(st.text(max_size=40))
def test_any_text_is_read(text: str) -> None:
    assert isinstance(read_consent(text, TODAY), Consent)
