"""The processes of a run: dialers, a bridge, the switch, an operator and a watcher. Each is a function that is forked.

Dialers run the product's own tasks. What stands around them here is the network, the people, and the history.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from django.db import DatabaseError, InterfaceError, connections
from django.db.models import Q

from tests import fake_psr
from tests.fake_psr import Post, Reply
from tests.history import schedule as plan
from tests.history.record import Recorder, send, take
from tests.history.schedule import Order, Schedule, Task

REST_S = 0.12
CALL_S = (0.1, 0.5)
# A metronome that ticks this much late is worth a line in the history.
STALL_S = 0.1
# How far ahead a contact's time must lie for a run to be over without it: beyond every wait of the run.
HORIZON = timedelta(minutes=10)
QUEUES = ("inbox", "answers")
SLOW = Reply(headers={"X-Slow": "1"})
SLOW_S = 1.0
# What the switch does, by chance: (share, reply, seconds until its socket arrives; None never).
BEHAVIOURS: tuple[tuple[float, Reply, float | None], ...] = (
    (0.24, fake_psr.PLACED, None),
    (0.18, fake_psr.PLACED, 0.0),
    (0.15, fake_psr.PLACED, 0.2),
    (0.08, fake_psr.PLACED_THEN_RESET, None),
    (0.08, fake_psr.PLACED_THEN_RESET, 0.2),
    (0.06, SLOW, 0.3),
    (0.04, fake_psr.PLACED_THEN_GARBAGE, None),
    # After its deadline: the late call that corrects a guess.
    (0.06, fake_psr.PLACED_THEN_500, 2.8),
    (0.05, fake_psr.REFUSED, None),
    (0.06, Reply(429, "{}", {"Retry-After": "1"}, is_placed=False), None),
)


@dataclass(frozen=True, slots=True)
class Run:
    """One run: where its files are, what is to happen in it, and when it began."""

    directory: Path
    schedule: Schedule
    began_s: float
    bug: str = ""

    @property
    def history(self) -> Path:
        return self.directory / "history.jsonl"

    def queue(self, name: str) -> Path:
        return self.directory / name

    def recorder(self, who: str) -> Recorder:
        return Recorder(self.history, who)

    def elapsed_s(self) -> float:
        return time.time() - self.began_s


def switch(run: Run) -> None:
    """Be PSR: place calls, and do with the answers what the dice say."""
    recorder, attempts = run.recorder("switch"), dict[str, int]()
    lock = threading.Lock()

    def decide(post: Post) -> Reply:
        number = post.fields["destination"]
        with lock:
            nth = attempts[number] = attempts.get(number, 0) + 1
        chance = random.Random(f"{run.schedule.seed}:{number}:{nth}")
        ((_, reply, socket_after_s),) = chance.choices(BEHAVIOURS, [share for share, _, _ in BEHAVIOURS])
        recorder.note(
            "post",
            attempt=str(post.attempt_id),
            number=f"+84{number.removeprefix('0')}",
            call_id=post.call_id,
            extension=post.fields.get("extension", ""),
            status=reply.status,
            is_reset=reply.is_reset,
            is_placed=reply.is_placed,
        )
        if socket_after_s is not None:
            arrival = {"token": post.token, "call_id": post.call_id}
            send(run.queue("answers"), arrival, due_s=time.time() + socket_after_s)
        if reply is SLOW:
            time.sleep(SLOW_S)
        return reply

    with fake_psr.fake_psr(decide) as server:
        part = run.directory / "psr.part"
        part.write_text(server.url)
        part.rename(run.directory / "psr")
        while True:
            began_s = time.monotonic()
            time.sleep(STALL_S / 2)
            lag_s = time.monotonic() - began_s - STALL_S / 2
            if lag_s > STALL_S:
                recorder.note("stall", lag_s=lag_s)


def dial(run: Run, slot: int) -> None:
    """Tick, place and reap for ever, as workers do; whoever is killed is replaced."""
    from campaigns.tasks import dialing as tasks
    from tests.history import instruments

    recorder = run.recorder(f"dialer {slot}")
    place_call = instruments.install(run, recorder, slot)

    def place_what_came() -> None:
        for message in take(run.queue("inbox")):
            place_call(**message)

    while True:
        for step in (tasks.tick, place_what_came, place_what_came, tasks.reap):
            with _surviving_the_database(recorder):
                step()
            time.sleep(REST_S / 2)


def bridge(run: Run) -> None:
    """Turn every socket the switch opens into a call, and end it."""
    from django.utils import timezone

    from campaigns.enums import Outcome
    from campaigns.errors import CallRefused
    from campaigns.services.attempts import connect, end_attempt

    recorder, live = run.recorder("bridge"), list[tuple[float, uuid.UUID]]()
    chance = random.Random(run.schedule.seed)
    while True:
        for arrival in take(run.queue("answers")):
            try:
                attempt = connect(token=arrival["token"], switch_call_id=arrival["call_id"], now=timezone.now())
            except CallRefused as refused:
                recorder.note("refused", call_id=arrival["call_id"], code=refused.code)
                continue
            except (DatabaseError, InterfaceError):
                # As a bridge without its database: the socket is refused, and may be tried again.
                connections.close_all()
                send(run.queue("answers"), arrival, due_s=time.time() + REST_S)
                continue
            recorder.note("connected", attempt=str(attempt.pk), call_id=arrival["call_id"])
            live.append((time.time() + chance.uniform(*CALL_S), attempt.pk))
        for call in [call for call in live if call[0] <= time.time()]:
            recorder.note("hung_up", attempt=str(call[1]))
            with _surviving_the_database(recorder):
                end_attempt(call[1], outcome=Outcome.ANSWERED, reason="call", now=timezone.now())
                live.remove(call)
        time.sleep(REST_S)


def operate(run: Run) -> None:
    """Be the operator: carry out the schedule's orders, and take up again what paused by itself."""
    from django.utils import timezone

    from campaigns.enums import CampaignState, TrunkHold
    from campaigns.models import Campaign, Trunk
    from campaigns.services import campaigns, trunks

    recorder = run.recorder("operator")
    tasks, paused = list(run.schedule.tasks), set[int]()
    while True:
        while tasks and tasks[0].at_s <= run.elapsed_s():
            task = tasks.pop(0)
            _carry_out(recorder, task)
            if task.order in (Order.PAUSE, Order.RESUME):
                (paused.add if task.order is Order.PAUSE else paused.discard)(task.argument)
        if not tasks:
            (run.directory / "orders_done").touch()
        with _surviving_the_database(recorder):
            keys = list(Campaign.objects.order_by("pk").values_list("pk", flat=True))
            for trunk in Trunk.objects.exclude(hold=TrunkHold.NONE):
                trunks.release_hold(trunk.pk, now=timezone.now())
            idle = [key for place, key in enumerate(keys) if place not in paused]
            for key in Campaign.objects.filter(pk__in=idle, state=CampaignState.PAUSED).values_list("pk", flat=True):
                began_s = time.time()
                campaigns.resume(key, now=timezone.now())
                recorder.note("order", began_s=began_s, order="resume", campaign=key)
        time.sleep(2 * REST_S)


def watch(run: Run) -> None:
    """Return once nobody is dialed, no socket is on its way, and nobody is due who may be dialed soon."""
    recorder = run.recorder("watcher")
    while True:
        with _surviving_the_database(recorder):
            if not is_busy(run):
                recorder.note("quiet")
                return
        time.sleep(3 * REST_S)


def is_busy(run: Run) -> bool:
    """Whether anything is still to come of a run.

    The sockets on their way are looked at first: what is then no longer in their queue is in the database. The other
    way round, a late call that is being let in between the two looks would be seen in neither.
    """
    from django.utils import timezone

    from campaigns.models import CallAttempt, Contact

    closed = {1} if run.elapsed_s() > (run.schedule.window_closes_s or float("inf")) else set()
    is_live = Q(campaign__state__in=("running", "paused")) & ~Q(campaign__in=closed)
    is_due = is_live & Q(state="pending", next_attempt_at__lte=timezone.now() + HORIZON)
    return (
        not (run.directory / "orders_done").exists()
        or any(run.queue("answers").iterdir())
        # Asked at once: whoever is claimed or given back is never seen as neither.
        or Contact.objects.filter(is_due | Q(state="dialing")).exists()
        or CallAttempt.objects.exclude(state="ended").exists()
    )


def dump(run: Run) -> None:
    """Append to the history what the database says in the end."""
    from campaigns.models import AttemptLog, CallAttempt, Contact

    recorder = run.recorder("database")
    # All is read before anything is written: a dump that is broken off is made again.
    attempts, steps = list(CallAttempt.objects.order_by("claimed_at")), list(AttemptLog.objects.order_by("pk"))
    contacts = list(Contact.objects.select_related("campaign"))
    for row in attempts:
        recorder.note(
            "attempt",
            attempt=str(row.pk),
            contact=row.contact_id,
            campaign=row.campaign_id,
            number=row.phone_number,
            extension=row.extension,
            state=row.state,
            outcome=row.outcome,
            reason=row.reason,
            is_counted=row.is_counted,
            call_id=row.switch_call_id,
        )
    for contact in contacts:
        at = contact.next_attempt_at
        recorder.note(
            "contact",
            contact=contact.pk,
            campaign=contact.campaign_id,
            number=contact.phone_number,
            state=contact.state,
            reason=contact.state_reason,
            attempts_made=contact.attempts_made,
            next_attempt_at_s=at.timestamp() if at else 0.0,
            is_live=contact.campaign.state in ("running", "paused"),
        )
    for step in steps:
        recorder.note(
            "step",
            attempt=str(step.attempt_id),
            step=step.pk,
            written_at_s=step.at.timestamp(),
            old=step.from_state,
            new=step.to_state,
            reason=step.reason,
        )


def _carry_out(recorder: Recorder, task: Task) -> None:
    """Carry out one order, again and again while the database is away."""
    from campaigns.enums import SuppressionSource
    from campaigns.errors import IllegalTransition
    from campaigns.models import Campaign, SuppressedNumber
    from campaigns.services import campaigns, dialing_stops
    from campaigns.services.suppression import suppress

    began_s, facts = time.time(), dict[str, Any]()

    def carry_out() -> None:
        now = datetime.now(UTC)
        if task.order is Order.SUPPRESS:
            facts["number"] = number_of(task.argument)
            if not SuppressedNumber.objects.filter(phone_number=facts["number"]).exists():
                suppress(facts["number"], reason="asked", source=SuppressionSource.MANUAL, now=now)
            return
        if task.order is Order.STOP_ALL:
            dialing_stops.stop_dialing(reason="stopped", user=None, now=now)
            return
        if task.order is Order.GO_ON:
            dialing_stops.resume_dialing(user=None, now=now)
            return
        facts["campaign"] = campaign = Campaign.objects.order_by("pk")[task.argument].pk
        if task.order is Order.LOWER_CAP:
            facts["lines"] = 1
            Campaign.objects.filter(pk=campaign).update(max_concurrent_calls=1)
            return
        {Order.PAUSE: campaigns.pause, Order.RESUME: campaigns.resume, Order.CANCEL: campaigns.cancel}[task.order](
            campaign, now=now
        )

    while True:
        try:
            carry_out()
        except IllegalTransition:
            # It was over, or a cut connection hid that the order had been carried out.
            return
        except (DatabaseError, InterfaceError):
            connections.close_all()
            time.sleep(REST_S)
        else:
            recorder.note("order", began_s=began_s, order=task.order.value, **facts)
            return


def number_of(place: int) -> str:
    """The phone number at a place of the run's list."""
    return f"+8491{place + 1:07}"


@contextlib.contextmanager
def _surviving_the_database(recorder: Recorder) -> Iterator[None]:
    """Go on after a step that the database broke off, as a worker goes on with its next message."""
    try:
        yield
    except (DatabaseError, InterfaceError) as error:
        recorder.note("db_error", error=type(error).__name__)
        connections.close_all()
        time.sleep(REST_S)


ROLES: dict[str, Callable[[Run], None]] = {
    "switch": switch,
    "bridge": bridge,
    "operator": operate,
    "watcher": watch,
    **{f"dialer {slot}": partial(dial, slot=slot) for slot in range(plan.DIALERS)},
}
