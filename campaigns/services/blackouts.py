"""Dates on which nobody is called."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from django.contrib.auth.models import User
from django.db import transaction

from campaigns.models import BlackoutDate, Campaign, CampaignEvent

MESSAGE_MAX_CHARS = 300


def add_blackouts(
    dates: Mapping[date, str], *, campaign: Campaign | None, user: User | None, now: datetime
) -> list[BlackoutDate]:
    """The rows of these dates, in order; a date that is there already takes the new name. Without `campaign`: for all.

    They hold from the next gate on. Contacts whose time falls on them are put off when it comes.
    """
    with transaction.atomic():
        rows = [
            BlackoutDate.objects.update_or_create(date=day, campaign=campaign, defaults={"name": name})[0]
            for day, name in sorted(dates.items())
        ]
        _log(campaign, "blackout_added", f"Nobody is called on {_in_words(rows)}.", user, now)
    return rows


def remove_blackout(row: BlackoutDate, *, user: User | None, now: datetime) -> None:
    """Let people be called on that date again."""
    with transaction.atomic():
        _log(row.campaign, "blackout_removed", f"People may be called on {_in_words([row])} again.", user, now)
        row.delete()


def _in_words(rows: list[BlackoutDate]) -> str:
    first, last = rows[0], rows[-1]
    return f"{first.date}" if first == last else f"{len(rows)} dates from {first.date} to {last.date}"


def _log(campaign: Campaign | None, kind: str, message: str, user: User | None, now: datetime) -> None:
    if campaign is not None:
        CampaignEvent.objects.create(
            campaign=campaign, at=now, kind=kind, message=message[:MESSAGE_MAX_CHARS], user=user
        )
