"""System checks of the dialing settings: the inequalities that keep a customer from being called twice or lost."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

INEQUALITIES: tuple[tuple[str, str], ...] = (
    ("PAUSE_BUDGET_S + DIAL_TOTAL_TIMEOUT_S", "DISPATCH_LEASE_S"),
    ("DIAL_CONNECT_TIMEOUT_S", "DIAL_TOTAL_TIMEOUT_S"),
    ("DIAL_TOTAL_TIMEOUT_S + RING_TIMEOUT_S + RING_GRACE_S", "CALL_TOKEN_TTL_S"),
    ("4 * CALL_HEARTBEAT_S", "CALL_LOST_S"),
    ("REDIAL_MIN_S", "UNCONFIRMED_REDIAL_MIN_S"),
)


def _value(expression: str) -> float:
    total = 0.0
    for term in expression.split(" + "):
        factor, _, name = term.rpartition(" * ")
        total += float(factor or 1) * float(getattr(settings, name))
    return total


@register
def check_inequalities(**_: Any) -> list[CheckMessage]:
    return [
        Error(
            f"{smaller} must not exceed {larger}.",
            hint="Change one of them in the environment; docs/reference/settings.md says what each is for.",
            id=f"campaigns.E{number:03}",
        )
        for number, (smaller, larger) in enumerate(INEQUALITIES, start=1)
        if _value(smaller) > _value(larger)
    ]


@register
def check_crash_point(**_: Any) -> list[CheckMessage]:
    if settings.CRASH_POINT and not settings.DEBUG:
        return [
            Error("CRASH_POINT is set with DEBUG off.", hint="It is for tests only: unset it.", id="campaigns.E010")
        ]
    return []
