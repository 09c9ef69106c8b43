"""The dialer's tasks: tick claims, place_call places, reap repairs.

None of these messages matters: a tick that is lost is followed by the next, a place_call that is lost leaves a claim
that the reaper gives back, and one that comes twice finds the attempt already on its way.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Sequence
from functools import partial
from uuid import UUID

from celery import shared_task
from django.conf import settings
from django.db import connection
from kombu.exceptions import OperationalError

from campaigns.crash_points import reach
from campaigns.enums import AttemptState
from campaigns.errors import CampaignNotReady, IllegalTransition
from campaigns.policies.call_tokens import digest
from campaigns.queries.clock import DatabaseClock
from campaigns.queries.dialing import dialable_trunk_ids, due_launches, unfilled_campaign_ids
from campaigns.queries.fitness import machine_name, unfit
from campaigns.services import attempts, campaigns, canaries, contacts, dialing, set_back
from campaigns.services.dial_journal import note_marker
from campaigns.services.heartbeats import record_clock_fault, record_heartbeat, record_unfit
from campaigns.tasks.launching import fill_contacts
from telephony.errors import LocalProtocolError
from telephony.psr.classifier import classify
from telephony.psr.client import AuthScheme, PsrClient

log = logging.getLogger(__name__)

CLIENTS_MAX = 64
# The longest a test call waits for its place between the trunk's other calls.
START_IN_MAX_S = 5.0

# Whatever this node's clock says: a lease taken here is judged elsewhere.
clock = DatabaseClock()
_clients: dict[tuple[str, str, str, float, float], PsrClient] = {}
_clients_lock = threading.Lock()


@shared_task(ignore_result=True)
def tick() -> None:
    """Claim what is due on every trunk, send each claim on its way, and close the campaigns that are over."""
    now = clock.now()
    if clock.reading().is_off:
        # Its leases would be wrong; another node's worker takes the next tick.
        log.error("clock_off", extra={"skew_s": clock.reading().skew.total_seconds()})
        record_clock_fault(socket.gethostname(), now=now)
        return
    if (fault := unfit(now)) is not None:
        log.error("worker_unfit", extra={"fault": fault.name.lower()})
        record_unfit(fault, socket.gethostname(), now=now)
        return
    set_back.hold_if_set_back(now=now)
    began_s = time.monotonic()
    claims = [claim for trunk_id in dialable_trunk_ids() for claim in dialing.claim_due(trunk_id, now=now)]
    canaries.judge_canaries(now=now)
    campaigns.finish_all(now=now)
    _publish(sorted(claims, key=lambda claim: claim.start_in_s), began_s)


@shared_task(ignore_result=True, soft_time_limit=30, time_limit=60)
def place_call(*, attempt_id: str, fence: int, start_in_s: float = 0.0) -> None:
    """Place one claimed attempt with one POST, unless a rule or the clock says no; a test call waits for its place."""
    time.sleep(min(start_in_s, START_IN_MAX_S))
    started_s = boot_clock_s()
    order = dialing.mark(UUID(attempt_id), fence, now=clock.now())
    if order is None:
        return
    try:
        client = client_for(order)
    except LocalProtocolError as error:
        log.warning("trunk_unusable", extra={"attempt_id": attempt_id, "detail": str(error)})
        _release(order, "trunk_unusable")
        return
    try:
        note_marker(order.marker)
    except OSError as error:
        log.error("marker_not_noted", extra={"attempt_id": attempt_id, "error": type(error).__name__})  # noqa: TRY400
        _release(order, "journal_unwritable")
        return
    # The process may have slept between marker and POST.
    if boot_clock_s() - started_s > settings.PAUSE_BUDGET_S:
        _release(order, "paused")
        return
    answer = client.create_stream(order.request, when_sent=partial(reach, "posted"))
    reach("answered")
    verdict = classify(
        answer, is_503_safe=settings.PSR_503_IS_SAFE, refused_codes=frozenset(settings.PSR_REFUSED_CODES)
    )
    log.info("call_placed", extra={"attempt_id": attempt_id, "verdict": verdict.dial.value, "reason": verdict.reason})
    dialing.apply_verdict(order.attempt_id, verdict=verdict, answer=answer, now=clock.now())


@shared_task(ignore_result=True)
def reap() -> None:
    """Move on every attempt, and every wish to be called, whose deadline has passed."""
    # First: what the database has forgotten of an attempt, its lease must not give back.
    set_back.hold_if_set_back(now=clock.now())
    if connection.vendor == "sqlite":
        record_heartbeat(machine_name(), now=clock.now())
    contacts.expire_callbacks(now=clock.now())
    while attempts.reap(now=clock.now()) == attempts.REAP_BATCH:
        pass


@shared_task(ignore_result=True)
def start_scheduled() -> None:
    """Launch the campaigns whose time has come, and take up every launch that stopped half way."""
    now = clock.now()
    for campaign_id in due_launches(now):
        try:
            campaigns.launch(campaign_id, now=now)
            fill_contacts.delay(campaign_id=campaign_id)
        except CampaignNotReady as problems:
            campaigns.report_launch_problems(campaign_id, problems, now=now)
        except IllegalTransition:
            # Somebody else launched or canceled it first.
            continue
    for campaign_id in unfilled_campaign_ids(now):
        fill_contacts.delay(campaign_id=campaign_id)


def boot_clock_s() -> float:
    """Seconds of a clock that never goes back and, where the system has one, goes on while the machine sleeps.

    Linux has one. macOS has none under that name; its CLOCK_MONOTONIC goes on in sleep by itself. Elsewhere only
    pauses of the process alone are noticed.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def client_for(order: dialing.DialOrder) -> PsrClient:
    """The process's one client of a trunk, which keeps its TLS context.

    Raises:
        LocalProtocolError: the trunk's address or token cannot be used.
    """
    key = (
        order.base_url,
        order.auth_scheme,
        digest(order.trunk_token),
        settings.DIAL_CONNECT_TIMEOUT_S,
        settings.DIAL_TOTAL_TIMEOUT_S,
    )
    with _clients_lock:
        if key not in _clients:
            if len(_clients) >= CLIENTS_MAX:
                _clients.clear()
            _clients[key] = PsrClient(
                order.base_url,
                order.trunk_token,
                AuthScheme(order.auth_scheme),
                connect_timeout_s=settings.DIAL_CONNECT_TIMEOUT_S,
                total_timeout_s=settings.DIAL_TOTAL_TIMEOUT_S,
            )
        return _clients[key]


def _publish(claims: Sequence[dialing.Claimed], began_s: float) -> None:
    """Send each claim to the dial workers when it is to start, a second after the claim at most.

    At the first failure the rest is given back instead of waiting for each. `began_s` is when the claims were made, by
    the monotonic clock.
    """
    for place, claim in enumerate(claims):
        time.sleep(max(0.0, began_s + claim.start_in_s - time.monotonic()))
        try:
            place_call.delay(attempt_id=str(claim.attempt_id), fence=claim.fence)
        except OperationalError:
            log.warning("broker_unreachable", extra={"claims_given_back": len(claims) - place})
            for unsent in claims[place:]:
                # If that message went out after all, it finds an attempt that has ended and does nothing.
                dialing.release(
                    unsent.attempt_id,
                    reason="broker_unreachable",
                    now=clock.now(),
                    only_from=AttemptState.CLAIMED,
                )
            return


def _release(order: dialing.DialOrder, reason: str) -> None:
    dialing.release(order.attempt_id, reason=reason, now=clock.now(), only_from=AttemptState.DISPATCHING)
