"""A database that was set back to before calls it had recorded: by a failover that lost commits, or by a backup.

Whoever dials compares the journal of markers with the database. Where a call is missing, all dialing stops until a
person has looked, and what the journal knows is written again, so that nobody is called once more when it goes on.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from campaigns.enums import AttemptState, ContactState, Outcome, StopKind
from campaigns.models import AttemptLog, CallAttempt, Contact, DialingStop, Heartbeat
from campaigns.policies.outcomes import AttemptEnd
from campaigns.queries.calling_rules import stops_in_force
from campaigns.services.attempts import end_attempt
from campaigns.services.contacts import settle_contact
from campaigns.services.dial_journal import Marker, latest_markers, markers_since
from campaigns.services.dialing_stops import stop_dialing
from campaigns.services.heartbeats import NAME_MAX_CHARS, record_heartbeat

log = logging.getLogger(__name__)

SET_BACK: Final = "written_again"
# A database that was set back lacks its latest markers: nothing is marked before they have been looked at.
LOOKED_AT: Final = 20
BATCH: Final = 500


def hold_if_set_back(*, now: datetime) -> bool:
    """Whether the database lacks calls that this machine has made since they were last compared.

    Then all dialing is stopped on return, and the calls are written again. Costs one query where nothing is missing.

    Raises:
        OSError: the journal cannot be read.
    """
    if not _missing(latest_markers(LOOKED_AT)):
        return False
    with _one_at_a_time():
        since = _compared_at()
        if not _missing(marker for marker in latest_markers(LOOKED_AT) if marker.at > since):
            return False
        log.error("database_set_back")
        stop = stops_in_force().filter(kind=StopKind.DATABASE_SET_BACK).first()
        if stop is None:
            reason = "The database lacks calls that were made. They are being written again."
            stop = stop_dialing(reason=reason, user=None, now=now, kind=StopKind.DATABASE_SET_BACK)
        _tell(stop, *_write_again(markers_since(since), now))
        # In the database, so that it is forgotten with whatever else is lost.
        record_heartbeat(_own_name(), now=now)
    return True


def _write_again(markers: Iterator[Marker], now: datetime) -> tuple[int, int, datetime | None]:
    """How many markers were missing, how many attempts were written again, and when the last of them was made."""
    lost, written, last_at = 0, 0, None
    while batch := list(islice(markers, BATCH)):
        for marker in _missing(batch):
            lost, last_at = lost + 1, marker.at
            written += _write_attempt(marker, now)
    return lost, written, last_at


def _write_attempt(marker: Marker, now: datetime) -> bool:
    """Count the call as one of which nobody knows; False where its contact is not there.

    Its socket, should it still come, corrects that, as it does for every attempt that was given up.
    """
    with transaction.atomic():
        attempt = CallAttempt.objects.select_for_update(of=("self",)).filter(pk=marker.attempt_id).first()
        contact = Contact.objects.select_related("campaign").filter(pk=marker.contact_id).first()
        if contact is None or (attempt is not None and (attempt.posts or attempt.contact_id != contact.pk)):
            return False
        sent = {"posts": 1, "token_digest": marker.token_digest, "dispatched_at": marker.at}
        if attempt is not None and attempt.ended_at is None:
            CallAttempt.objects.filter(pk=attempt.pk).update(**sent)
            return end_attempt(attempt.pk, outcome=Outcome.UNCONFIRMED, reason=SET_BACK, now=now)
        others = CallAttempt.objects.filter(contact=contact, number=marker.number).exclude(pk=marker.attempt_id)
        ended = sent | {
            "number": None if others.exists() else marker.number,
            "state": AttemptState.ENDED,
            "outcome": Outcome.UNCONFIRMED,
            "reason": SET_BACK,
            "is_counted": True,
            "ended_at": now,
        }
        made = {
            "contact": contact,
            "campaign": contact.campaign,
            "trunk_id": contact.campaign.trunk_id,
            "phone_number": contact.phone_number,
            "claimed_at": marker.at,
        }
        written, _ = CallAttempt.objects.update_or_create(
            pk=marker.attempt_id, defaults=ended, create_defaults=ended | made
        )
        AttemptLog.objects.create(
            attempt=written,
            at=now,
            from_state="" if attempt is None else attempt.state,
            to_state=AttemptState.ENDED,
            reason=SET_BACK,
            details={"outcome": Outcome.UNCONFIRMED.value},
        )
        waiting = Contact.objects.filter(pk=contact.pk, state=ContactState.PENDING)
        waiting.update(state=ContactState.DIALING, next_attempt_at=None)
        settle_contact(written, AttemptEnd(Outcome.UNCONFIRMED, now, SET_BACK, claimed_at=marker.at))
    return True


def _tell(stop: DialingStop, lost: int, written: int, last_at: datetime | None) -> None:
    if last_at is None:
        return
    when = f"{timezone.localtime(last_at):%Y-%m-%d %H:%M}"
    stop.reason = (
        f"The database lacked {lost:,} calls, the last made at {when}; {written:,} were written again. "
        "Was it set back? See that it is the right one, then lift this stop."
    )
    stop.save(update_fields=["reason"])
    log.error("calls_written_again", extra={"lost": lost, "written": written})


def _missing(markers: Iterable[Marker]) -> list[Marker]:
    """The markers of which the database knows nothing."""
    markers = list(markers)
    known = CallAttempt.objects.filter(pk__in=[marker.attempt_id for marker in markers], posts__gte=1)
    known_ids = set(known.values_list("pk", flat=True))
    return [marker for marker in markers if marker.attempt_id not in known_ids]


def _compared_at() -> datetime:
    """Up to when this machine's journal and this database have been compared: never before the database was made."""
    made_at: list[datetime] = list(
        MigrationRecorder(connection)
        .migration_qs.filter(app="campaigns")
        .order_by("id")
        .values_list("applied", flat=True)
    )
    compared_at = Heartbeat.objects.filter(name=_own_name()).values_list("at", flat=True)
    return max([*made_at[:1], *compared_at])


def _own_name() -> str:
    return f"journal:{socket.gethostname()}"[:NAME_MAX_CHARS]


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Let one process, and one thread, of this machine compare at a time."""
    descriptor = os.open(Path(settings.DATA_DIR) / "dialed" / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
