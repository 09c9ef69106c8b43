"""System checks of the dialing settings: the inequalities that keep a customer from being called twice or lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from campaigns.policies.stream_keys import is_published

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


@register
def check_published_tokens(**_: Any) -> list[CheckMessage]:
    """Whether a setting holds a token that stands in a public document, which keeps nobody out."""
    return [
        Error(
            f"{name} holds a token that is printed in a public document.",
            hint="Use one of your own: everybody can read that one.",
            id="campaigns.E011",
        )
        for name in sorted(name for name in dir(settings) if name.isupper())
        if any(is_published(text) for text in _texts_in(getattr(settings, name)))
    ]


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts_in(part)
    elif isinstance(value, list | tuple | set | frozenset):
        for part in value:
            yield from _texts_in(part)
