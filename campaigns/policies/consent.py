"""What a customer's consent column says: given, withdrawn, run out, or nothing that can be relied on."""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum

_GIVEN = frozenset({"yes", "y", "true", "1", "given", "granted", "opt-in", "có", "co", "đồng ý", "dong y"})
_WITHDRAWN = frozenset({"no", "n", "false", "0", "withdrawn", "revoked", "opt-out", "không", "khong", "từ chối"})
# The day itself still counts.
_UNTIL = re.compile(r"(?:until |to |đến )?([0-9]{4}-[0-9]{2}-[0-9]{2})")


class Consent(StrEnum):
    """How consent stands; every value but `GIVEN` refuses the call. The texts are shown to people."""

    GIVEN = "Consent was given."
    MISSING = "There is no consent."
    WITHDRAWN = "Consent was withdrawn."
    EXPIRED = "Consent has run out."
    UNREADABLE = "What the consent column says cannot be read; write yes, no, or the last day it holds (2027-01-31)."


def read_consent(text: str, today: date) -> Consent:
    """What the text of a consent column means on a day: yes, no, or the last day on which consent holds."""
    word = text.strip().casefold()
    if not word:
        return Consent.MISSING
    if word in _GIVEN:
        return Consent.GIVEN
    if word in _WITHDRAWN:
        return Consent.WITHDRAWN
    until = _UNTIL.fullmatch(word)
    if until is None:
        return Consent.UNREADABLE
    try:
        return Consent.GIVEN if today <= date.fromisoformat(until[1]) else Consent.EXPIRED
    except ValueError:
        return Consent.UNREADABLE
