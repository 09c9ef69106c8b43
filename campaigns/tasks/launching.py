"""Filling a launched campaign with its contacts, block by block."""

from __future__ import annotations

import time

from celery import shared_task
from django.utils import timezone

from campaigns.services.campaign_lists import follow_lists_block
from campaigns.services.contact_filling import fill_block

# Well below the tasks' time limit; a longer fill hands on to another message.
FILL_BUDGET_S = 20.0


@shared_task(ignore_result=True)
def fill_contacts(*, campaign_id: int) -> None:
    """Make a contact of every list entry, and let contacts follow changed lists; hands on after a while.

    Losing the message loses nothing: `start_scheduled` takes up what was left. Two at once share the work.
    """
    until_s = time.monotonic() + FILL_BUDGET_S
    while _next_block(campaign_id):
        if time.monotonic() > until_s:
            fill_contacts.delay(campaign_id=campaign_id)
            return


def _next_block(campaign_id: int) -> bool:
    """Do one piece of the work; False when nothing is left. Who is out goes before who is new comes."""
    now = timezone.now()
    return follow_lists_block(campaign_id, now=now) or fill_block(campaign_id, now=now)
