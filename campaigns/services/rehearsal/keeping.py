"""Rehearsals that are asked for on a page or by the API: played in a worker, and kept in the campaign's log."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Final

from django.contrib.auth.models import User
from django.utils import timezone

from campaigns.models import Campaign, CampaignEvent
from campaigns.queries.rehearsals import FAILED, REHEARSED
from campaigns.services import campaign_log
from campaigns.services.rehearsal.planning import RehearsalPlan, rehearse
from campaigns.services.rehearsal.report import RehearsalReport

# Contacts of a rehearsal that somebody waits for, in a worker that has other work too.
KEPT_LIMIT: Final = 200
# Nothing else ends a task that counts: threads have no time limit.
LONGEST_S: Final = 120.0


class _TooLong(Exception):
    """The rehearsal has taken more of the worker than it may."""


def rehearse_and_keep(campaign_id: int, plan: RehearsalPlan, *, user: User | None, now: datetime) -> CampaignEvent:
    """Play the campaign and put the report, or why there is none, into its log.

    Raises:
        Campaign.DoesNotExist: there is no such campaign.
    """
    until_s = time.monotonic() + LONGEST_S

    def told(_at: datetime, _calls: int) -> None:
        if time.monotonic() > until_s:
            raise _TooLong

    campaign = Campaign.objects.get(pk=campaign_id)
    try:
        report = rehearse(campaign_id, plan, now=now, told=told)
    except _TooLong:
        message = f"The rehearsal took longer than {LONGEST_S:.0f} s. Play it with manage.py rehearse."
        return campaign_log.record(campaign, FAILED, message, user=user, now=now)
    except ValueError as error:
        return campaign_log.record(campaign, FAILED, f"It could not be rehearsed: {error}", user=user, now=now)
    details = {"report": report.as_json()}
    return campaign_log.record(campaign, REHEARSED, _in_words(report), user=user, now=now, details=details)


def _in_words(report: RehearsalReport) -> str:
    if report.problems:
        return "Rehearsed: it would not begin."
    calls = f"{report.calls:,} calls, {report.answered:,} answered"
    if report.finish_at is None:
        return f"Rehearsed: {calls}, and not finished."
    return f"Rehearsed: {calls}, finished by {timezone.localtime(report.finish_at):%Y-%m-%d %H:%M}."
