"""Taking an import back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef

from campaigns.enums import ImportState
from campaigns.errors import ImportRefused
from campaigns.models import Contact, ImportJob, ListEntry

UNDO_BATCH = 5_000


@dataclass(frozen=True, slots=True)
class Undone:
    """Entries taken off the list, and those kept because a campaign has made a contact of them."""

    removed: int
    kept: int


def undo_import(job_id: int, *, now: datetime) -> Undone:
    """Take the entries a job added off its list again, except those a campaign depends on.

    Attributes the job changed on entries that were there before stay changed; customers stay. Doing it twice is
    harmless.

    Raises:
        ImportRefused: `import_running`, while rows are still being added.
        ImportJob.DoesNotExist
    """
    job = ImportJob.objects.get(pk=job_id)
    if job.state in (ImportState.QUEUED, ImportState.RUNNING):
        raise ImportRefused("import_running", "The import is not finished yet. Wait for it to end, then undo it.")
    added = ListEntry.objects.filter(import_job=job)
    contacts = Contact.objects.filter(customer=OuterRef("customer"), campaign__customer_lists=job.list_id)
    removable = added.filter(~Exists(contacts))
    removed = 0
    while True:
        with transaction.atomic():
            batch = list(removable.order_by("pk").values_list("pk", flat=True)[:UNDO_BATCH])
            removed += ListEntry.objects.filter(pk__in=batch).delete()[0]
        if len(batch) < UNDO_BATCH:
            break
    kept = added.count()
    ImportJob.objects.filter(pk=job_id, undone_at=None).update(undone_at=now)
    return Undone(removed, kept)
