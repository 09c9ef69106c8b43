"""Directing runs: forking processes, killing and replacing them as the schedule says, and judging what is left."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from django.conf import settings
from django.db import transaction

from tests.history.actors import QUEUES, ROLES, Run, dump, number_of
from tests.history.bugs import BUGS
from tests.history.checker import violations
from tests.history.databases import Databases, use
from tests.history.record import Recorder, drop_all, read_history
from tests.history.schedule import (
    CAMPAIGNS,
    CONTACTS_PER_CAMPAIGN,
    MAX_ATTEMPTS,
    NUMBERS,
    RING_S,
    SHARED_NUMBERS,
    TIMES_S,
    draw,
)

RUN_DEADLINE_S = 240.0
# Dialers with a planted bug need not come to rest: what they did shows it.
PLANTED_DEADLINE_S = 60.0
CRASHED = 137
# A run whose processes end by themselves this often is given up.
BROKEN_MAX = 3
TRIES = 15
SHAKEN_S = 12.0
PR_SET_PDEATHSIG = 1
REST_S = 0.02
# Kinds of events worth counting in a summary.
COUNTED = ("post", "killed", "frozen", "lost", "doubled", "db_killed", "db_error", "queue_lost", "order")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Order:
    """One run to be made: a seed, and the bug planted in its dialers, if any."""

    seed: int
    bug: str = ""

    @property
    def name(self) -> str:
        return f"{self.seed}-{self.bug}" if self.bug else str(self.seed)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a run: breaches as text, and how much of each kind of fault there was."""

    order: Order
    breaches: tuple[str, ...]
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def shows_the_bug(self) -> bool:
        """Whether the planted bug was found by the rule that must find it."""
        return any(breach.startswith(f"{BUGS[self.order.bug].rule}:") for breach in self.breaches)


def run_all(orders: Sequence[Order], directory: Path, databases: Databases, *, at_once: int) -> Iterator[Result]:
    """Make the runs, some at a time, each in a process of its own; results come as they are ready."""
    waiting, running = list(orders), dict[int, tuple[Order, Path]]()
    while waiting or running:
        while waiting and len(running) < at_once:
            order = waiting.pop(0)
            own = directory / order.name
            own.mkdir()
            schedule = BUGS[order.bug].tune(draw(order.seed)) if order.bug else draw(order.seed)
            url = databases.make(own, is_restarted=schedule.has_database_restarts)
            run = Run(own, schedule, time.time(), order.bug)
            running[_fork(partial(_direct, run, url))] = (order, own)
        shaken = [own for order, own in running.values() if draw(order.seed).has_database_restarts and _is_young(own)]
        if shaken and databases.restart_if_due():
            for own in shaken:
                Recorder(own / "history.jsonl", "machine").note("db_killed")
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            time.sleep(REST_S)
            continue
        order, own = running.pop(pid)
        yield _result(order, own, os.waitstatus_to_exitcode(status))


def _is_young(directory: Path) -> bool:
    """Whether a run has so lately begun that more may be done to it; the others are let come to rest."""
    return time.time() - directory.stat().st_ctime < SHAKEN_S or not (directory / "orders_done").exists()


def _result(order: Order, directory: Path, ended: int) -> Result:
    path = directory / "history.jsonl"
    if ended or not path.exists():
        return Result(order, (f"the run ended with {ended}",))
    events = read_history(path)
    counts = {kind: sum(event.kind == kind for event in events) for kind in COUNTED}
    return Result(order, tuple(str(found) for found in violations(events)), counts)


def _direct(run: Run, database_url: str) -> None:
    """Make one run, to its end; in the process it was forked for."""
    for name in QUEUES:
        run.queue(name).mkdir()
    with (run.directory / "stderr.txt").open("w") as log:
        os.dup2(log.fileno(), sys.stderr.fileno())
    settings.CRASH_POINT = run.schedule.crash_setting
    # Its journal of markers belongs to its database.
    settings.DATA_DIR = run.directory
    roles: dict[int, str] = {}

    use(database_url)
    roles[_fork(lambda: ROLES["switch"](run))] = "switch"
    while not (run.directory / "psr").exists():
        time.sleep(REST_S)
    run = replace(run, began_s=time.time())
    shorten_waits(run)
    psr_url = (run.directory / "psr").read_text()
    _insist(lambda: seed(run, psr_url))

    def start(role: str) -> None:
        roles[_fork(lambda: ROLES[role](run))] = role

    for role in ROLES:
        if role != "switch":
            start(role)
    _go_on_until_quiet(run, roles, start)
    for pid in roles:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    # The history ends with what the database says.
    _insist(lambda: dump(run))


def _insist(work: Callable[[], None]) -> None:
    """Do this in a process of its own, again where the database broke it off; it must do all or nothing."""
    for _ in range(TRIES):
        if not os.waitpid(_fork(work), 0)[1]:
            return
        time.sleep(1)
    os._exit(1)


def _go_on_until_quiet(run: Run, roles: dict[int, str], start: Callable[[str], None]) -> None:
    recorder = run.recorder("machine")
    kills, losses = list(run.schedule.kills_s), sorted(run.schedule.broker_losses_s)
    thaw_at_s, broken = dict[int, float](), 0
    deadline_s = PLANTED_DEADLINE_S if run.bug else RUN_DEADLINE_S
    while run.elapsed_s() < deadline_s:
        now_s = run.elapsed_s()
        if kills and kills[0] <= now_s:
            kills.pop(0)
            victim = next(pid for pid, role in roles.items() if role.startswith("dialer"))
            os.kill(victim, signal.SIGKILL)
        if losses and losses[0] <= now_s:
            losses.pop(0)
            recorder.note("queue_lost", messages=drop_all(run.queue("inbox")))
        for pid in [pid for pid, at_s in thaw_at_s.items() if at_s <= now_s]:
            del thaw_at_s[pid]
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
        if not pid:
            time.sleep(REST_S)
        elif os.WIFSTOPPED(status):
            thaw_at_s[pid] = now_s + run.schedule.freeze_s
        else:
            role, ended = roles.pop(pid), os.waitstatus_to_exitcode(status)
            if role == "watcher" and not ended:
                return
            if ended in (CRASHED, -signal.SIGKILL):
                recorder.note("killed", role=role, by="crash point" if ended == CRASHED else "kill")
            else:
                recorder.note("crashed", role=role, error=(run.directory / "stderr.txt").read_text()[-1500:])
                if (broken := broken + 1) >= BROKEN_MAX:
                    return
            thaw_at_s.pop(pid, None)
            start(role)


def seed(run: Run, psr_url: str) -> None:
    """Two campaigns on one trunk whose lists share some numbers; the history begins with the run's numbers."""
    from campaigns.models import BridgeNode
    from tests.factories import make_campaign, make_contact, make_customer, make_trunk

    schedule, now = run.schedule, datetime.now(UTC)
    with transaction.atomic():
        BridgeNode.objects.create(name="b1", capacity=100, seen_at=now + timedelta(days=1))
        trunk = make_trunk(base_url=psr_url, calls_per_second=200, max_concurrent_calls=schedule.trunk_lines)
        customers = [make_customer(number_of(place)) for place in range(NUMBERS)]
        own = CONTACTS_PER_CAMPAIGN - SHARED_NUMBERS
        lines, closes = {}, {}
        for place in range(CAMPAIGNS):
            window = {"timezone": "", "days": {day: [["00:00", "24:00"]] for day in DAYS}}
            if place == 0 and schedule.window_closes_s is not None:
                window = closing_window(closes_at(run))
            campaign = make_campaign(
                trunk=trunk,
                calls_per_second=200,
                max_concurrent_calls=schedule.campaign_lines[place],
                max_attempts=MAX_ATTEMPTS,
                app="dial" if schedule.extensions else "bot",
                extensions=list(schedule.extensions),
                contacts_filled_at=now,
                calling_window=window,
                calls_per_number_day=schedule.number_cap,
                cadence={"waits_s": {"default": [0.1] * 10}},
            )
            lines[campaign.pk] = schedule.campaign_lines[place]
            if place == 0 and schedule.window_closes_s is not None:
                closes[campaign.pk] = closes_at(run).timestamp()
            for customer in (*customers[:SHARED_NUMBERS], *customers[SHARED_NUMBERS + place * own :][:own]):
                make_contact(campaign, customer=customer, next_attempt_at=now)
    run.recorder("machine").note(
        "rules",
        redial_min_s=TIMES_S["REDIAL_MIN_S"],
        pause_budget_s=TIMES_S["PAUSE_BUDGET_S"],
        dial_total_s=TIMES_S["DIAL_TOTAL_TIMEOUT_S"],
        claim_lease_s=TIMES_S["CLAIM_LEASE_S"],
        ring_s=RING_S,
        max_attempts=MAX_ATTEMPTS,
        skew_s=schedule.skew_s,
        number_cap=schedule.number_cap,
        trunk_lines={0: schedule.trunk_lines},
        campaign_lines=lines,
        window_closes_s=closes,
    )


def closes_at(run: Run) -> datetime:
    """When the first campaign's window closes."""
    return datetime.fromtimestamp(run.began_s, UTC) + timedelta(seconds=run.schedule.window_closes_s or 0)


def closing_window(at: datetime) -> dict:
    """A window that ends with the minute after `at`, in a zone where it is about noon."""
    hour = at.hour
    zone = f"Etc/GMT{hour - 12:+d}" if hour != 12 else "Etc/GMT"
    end = f"12:{at.minute + 1:02}" if at.minute < 59 else "13:00"
    return {"timezone": zone, "days": {day: [["00:00", end]] for day in DAYS}}


def shorten_waits(run: Run) -> None:
    """Make the waits that no setting governs small enough for a run of seconds."""
    from campaigns.policies import cadence, calling_window
    from campaigns.services import claiming

    cadence.RELEASE_WAIT_S, cadence.RELEASE_WAIT_MAX_S = 0.1, 0.5
    claiming.NUMBER_BUSY_WAIT_S = 0.5
    if run.schedule.window_closes_s is not None:
        # The guard before the end of a window, which is a full minute, makes up what is missing to the moment wanted.
        at = closes_at(run)
        calling_window.CLOSING_GUARD = at.replace(second=0, microsecond=0) + timedelta(minutes=1) - at


def _fork(work: Callable[[], None]) -> int:
    """Start a process that does this and nothing else; its id."""
    pid = os.fork()
    if pid:
        return pid
    _die_with_the_parent()
    try:
        work()
    except BaseException:  # noqa: BLE001  the top of a process: what broke is read by whoever waits for it
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def _die_with_the_parent() -> None:
    """Leave no process behind when the one above is killed; only Linux knows how."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
