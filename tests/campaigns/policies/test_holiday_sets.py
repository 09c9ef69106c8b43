"""Holidays by country: the lunar ones too, with their names, and nothing for a name that is none."""

from __future__ import annotations

from datetime import date

import pytest

from campaigns.policies.holiday_sets import AHEAD, BEHIND, holidays_of, parse_holiday_set


@pytest.mark.parametrize(
    ("text", "code"), [("", ""), ("  ", ""), ("VN", "VN"), (" vn ", "VN"), ("us-ca", "US-CA"), ("US", "US")]
)
def test_a_set_is_named_by_its_country_or_a_part_of_it(text: str, code: str) -> None:
    assert parse_holiday_set(text) == code


@pytest.mark.parametrize("text", ["Vietnam", "ZZ", "US-ZZ", "VN-", "-CA", "VN-01", "84", "V" * 9])
def test_what_is_no_set_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="There are no holidays of"):
        parse_holiday_set(text)


def test_the_lunar_new_year_moves_and_is_known() -> None:
    assert holidays_of("VN", date(2026, 2, 1))[date(2026, 2, 17)] == "Lunar New Year"
    found = holidays_of("VN", date(2026, 12, 1))
    assert found[date(2027, 2, 6)] == "Lunar New Year"
    assert found[date(2027, 1, 1)] == "New Year's Day"
    # The anniversary of the Hung kings is the tenth of the third lunar month.
    assert holidays_of("VN", date(2027, 4, 1))[date(2027, 4, 16)] == "Hung Kings' Commemoration Day"


def test_a_part_of_a_country_has_its_own() -> None:
    day = date(2026, 3, 31)
    assert day in holidays_of("US-CA", date(2026, 3, 1))
    assert day not in holidays_of("US", date(2026, 3, 1))


@pytest.mark.parametrize("on", [date(2026, 1, 1), date(2026, 6, 15), date(2026, 12, 31)])
def test_holidays_are_of_the_coming_months_and_of_what_is_still_today_somewhere(on: date) -> None:
    assert all(on - BEHIND <= day <= on + AHEAD for day in holidays_of("VN", on))
    assert date(2026, 1, 1) in holidays_of("VN", date(2026, 1, 3))
