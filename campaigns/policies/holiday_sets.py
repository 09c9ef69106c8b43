"""Public holidays by country, those of the lunar calendar included: days on which a campaign may call nobody.

A set is named by a country, or by a part of one: `VN`, `US-CA`. The dates are those of the `holidays` library, with the
days off that stand for a holiday on a weekend. What a government announces late is in none of them yet: such days are
blackout dates.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

import holidays

# Whoever looks further ahead asks again as of then. As far as an estimate of a campaign's end looks.
AHEAD: Final = timedelta(days=130)
# The day before yesterday is over wherever a customer may be.
BEHIND: Final = timedelta(days=2)
LANGUAGE: Final = "en_US"


def parse_holiday_set(text: str) -> str:
    """The name of a set as it is kept; empty for none.

    Raises:
        ValueError: there is no such set.
    """
    code = text.strip().upper()
    country, dash, part = code.partition("-")
    parts = _supported().get(country)
    if code and (parts is None or (dash and part not in parts)):
        raise ValueError(f"There are no holidays of {text.strip()!r}; write a country such as VN, or a part: US-CA.")
    return code


def holidays_of(code: str, on: date) -> Mapping[date, str]:
    """The holidays of a set from a day on, about four months of them, with their names in English where they have any.

    Raises:
        ValueError: there is no such set.
    """
    first, last = on - BEHIND, on + AHEAD
    known = {**_year(code, first.year), **_year(code, last.year)}
    return {day: name for day, name in known.items() if first <= day <= last}


@lru_cache(maxsize=256)
def _year(code: str, year: int) -> Mapping[date, str]:
    country, _, part = parse_holiday_set(code).partition("-")
    language = LANGUAGE if LANGUAGE in holidays.list_localized_countries().get(country, ()) else None
    return dict(holidays.country_holidays(country, subdiv=part or None, years=year, language=language))


@lru_cache(maxsize=1)
def _supported() -> Mapping[str, frozenset[str]]:
    return {
        country: frozenset(parts) for country, parts in holidays.list_supported_countries(include_aliases=False).items()
    }
