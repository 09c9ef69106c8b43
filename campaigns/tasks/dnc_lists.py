"""Reading imported do-not-call lists in the background. A message is only a hint: the row says what remains."""

from __future__ import annotations

import time

from celery import shared_task
from django.utils import timezone

from campaigns.queries.calling_rules import loading_dnc_versions
from campaigns.services.dnc_lists import drop_unused, load_block

# Well below the tasks' time limit; a longer list hands on to another message.
LOAD_BUDGET_S = 20.0


@shared_task(ignore_result=True)
def load_dnc_version(*, version_id: int) -> None:
    """Read a version to its end; stops after a while and goes on in a new message."""
    until_s = time.monotonic() + LOAD_BUDGET_S
    while load_block(version_id, now=timezone.now()):
        if time.monotonic() > until_s:
            load_dnc_version.delay(version_id=version_id)
            return


@shared_task(ignore_result=True)
def sweep_dnc_lists() -> None:
    """Go on with versions whose worker died or whose message was lost, and delete what is not in force any more."""
    for version_id in loading_dnc_versions(timezone.now()):
        load_dnc_version.delay(version_id=version_id)
    until_s = time.monotonic() + LOAD_BUDGET_S
    while drop_unused() and time.monotonic() < until_s:
        pass
