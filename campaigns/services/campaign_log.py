"""The campaign's log: who did what and why. Lines are only ever added."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Model

from campaigns.models import Campaign, CampaignEvent

MESSAGE_MAX_CHARS = 300
REASON_MAX_CHARS = 200


def record(
    campaign: Campaign,
    kind: str,
    message: str,
    *,
    user: User | None,
    now: datetime,
    reason: str = "",
    details: Mapping[str, Any] | None = None,
) -> CampaignEvent:
    """Add a line. The reason stands in the message and, in full, in the details."""
    told = f"{message.rstrip('.')}: {reason}." if reason else message
    return CampaignEvent.objects.create(
        campaign=campaign,
        at=now,
        kind=kind,
        message=told[:MESSAGE_MAX_CHARS],
        details={**(details or {}), **({"reason": reason} if reason else {})},
        user=user,
    )


def values_of(campaign: Campaign, names: Iterable[str]) -> dict[str, Any]:
    """The campaign's fields as the log keeps them: rows as their ids, moments as texts."""
    return {name: _plain(campaign, name) for name in names}


def record_changes(campaign: Campaign, before: Mapping[str, Any], *, user: User | None, now: datetime) -> None:
    """Add a line with every field that differs from before; none where nothing does."""
    after = values_of(campaign, before)
    changes = {name: {"before": before[name], "after": after[name]} for name in before if before[name] != after[name]}
    if changes:
        told = "; ".join(_told(name, **change) for name, change in changes.items())
        record(campaign, "changed", f"Changed {told}.", user=user, now=now, details={"changes": changes})


def _plain(campaign: Campaign, name: str) -> Any:
    value = getattr(campaign, name)
    if name == "customer_lists":
        return sorted(value.values_list("pk", flat=True))
    if isinstance(value, Model):
        return value.pk
    return value.isoformat() if isinstance(value, datetime) else value


def _told(name: str, *, before: Any, after: Any) -> str:
    words = str(getattr(Campaign._meta.get_field(name), "verbose_name", name)).replace("_", " ")
    if isinstance(after, dict | list):
        return words
    return f"{words} from {_shown(before)} to {_shown(after)}"


def _shown(value: Any) -> str:
    return "nothing" if value in (None, "") else str(value)
