"""Lists of countries by their two-letter codes."""

from __future__ import annotations

from typing import Any

from telephony.phone_numbers import is_region

COUNTRIES_MAX = 50
COUNTRY_NOT_ALLOWED = "country_not_allowed"


def country_refusal(region: str) -> str:
    """Why a number of a country that may not be called is not taken."""
    name = region or "a country nobody can tell"
    return f"This is a number of {name}, which this installation may not call (ALLOWED_COUNTRIES)."


def read_countries(raw: Any) -> list[str]:
    """The codes in capitals and in order, each once.

    Raises:
        ValueError: it is no list of codes of countries with a telephone network.
    """
    if not isinstance(raw, list) or len(raw) > COUNTRIES_MAX or not all(isinstance(code, str) for code in raw):
        raise ValueError(f"Must be a list of at most {COUNTRIES_MAX} country codes, such as VN.")
    codes = sorted({code.strip().upper() for code in raw})
    if unknown := [code for code in codes if not is_region(code)]:
        raise ValueError(f"“{unknown[0][:10]}” is no country's code; use two letters, such as VN.")
    return codes
