"""When a contact is tried again: a table outcome → ladder of waits.

Stored on the campaign as JSON: `{"waits_s": {"busy": [300, 1800], "default": [1800, 7200, 86400]}}`. The nth attempt
that ended with an outcome takes the nth wait of its ladder; past the ladder's end the contact is given up.
"""

from __future__ import annotations

from typing import Any

HALF_HOUR_S = 1800
TWO_HOURS_S = 7200
DAY_S = 86_400


def default_cadence() -> dict[str, Any]:
    """Half an hour, two hours, a day; a busy line sooner."""
    return {"waits_s": {"busy": [600, HALF_HOUR_S, TWO_HOURS_S], "default": [HALF_HOUR_S, TWO_HOURS_S, DAY_S]}}
