"""Local hours and days in which a contact may be dialed.

Stored on the campaign as JSON: `{"timezone": "" | IANA name, "days": {"mon": [["08:00", "20:00"]], …}}`; an empty
timezone means the customer's own. A day that is missing is closed; an empty object closes every day.
"""

from __future__ import annotations

from typing import Any

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def default_calling_window() -> dict[str, Any]:
    """Every day from 08:00 to 20:00 where the customer is."""
    return {"timezone": "", "days": {day: [["08:00", "20:00"]] for day in WEEKDAYS}}
