"""The processes of the crash test: dialers that get killed, a bridge, a watcher, and the pool that restarts them.

`python -m tests.crash.actors RUN_DIRECTORY PSR_URL` runs two campaigns to their end and prints how many dialers were
killed and what was found broken. Django is imported once and the actors are forked, so that a kill costs milliseconds
and a run can afford many. Messages are files: each is lost in one of twenty cases, doubled in one of ten, and taken by
whichever dialer is first.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import django
from django.db import connections

LOST, DOUBLED = 0.05, 0.10
DIALERS = 2
CONTACTS_PER_CAMPAIGN = 8
SHARED_NUMBERS = 3
MAX_ATTEMPTS = 2
RUN_DEADLINE_S = 120.0
REST_S = 0.05
CALL_S = 0.2
KILLED = (137, -signal.SIGKILL)
Ledger: TypeAlias = dict[str, list[dict[str, Any]]]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def seed(run: Path, psr_url: str) -> None:
    """Two campaigns on one trunk whose lists share some numbers."""
    from django.core.management import call_command
    from django.utils import timezone

    from campaigns.models import BridgeNode
    from tests.factories import make_campaign, make_contact, make_customer, make_trunk

    for name in ("inbox", "answers", "pids"):
        (run / name).mkdir()
    call_command("migrate", verbosity=0)
    now = timezone.now()
    BridgeNode.objects.create(name="b1", capacity=100, seen_at=now + timedelta(days=1))
    trunk = make_trunk(base_url=psr_url, calls_per_second=200, max_concurrent_calls=100)
    shared = [make_customer() for _ in range(SHARED_NUMBERS)]
    for _ in range(2):
        campaign = make_campaign(
            trunk=trunk,
            calls_per_second=200,
            max_concurrent_calls=100,
            max_attempts=MAX_ATTEMPTS,
            contacts_filled_at=now,
            calling_window={"days": {day: [["00:00", "24:00"]] for day in DAYS}},
            cadence={"waits_s": {"default": [0.1] * 10}},
        )
        own = [make_customer() for _ in range(CONTACTS_PER_CAMPAIGN - SHARED_NUMBERS)]
        for customer in shared + own:
            make_contact(campaign, customer=customer, next_attempt_at=now)


def dial(run: Path) -> None:
    """Claim, place and reap for ever; the crash point of the settings may end it at any step."""
    from django.utils import timezone

    from campaigns.models import Trunk
    from campaigns.services import attempts, dialing
    from campaigns.tasks.dialing import place_call

    chance = random.Random(os.getpid())
    trunk_id = Trunk.objects.get().pk
    while True:
        for claim in dialing.claim_due(trunk_id, now=timezone.now()):
            copies = 0 if chance.random() < LOST else 2 if chance.random() < DOUBLED else 1
            for _ in range(copies):
                write(run / "inbox", {"attempt_id": str(claim.attempt_id), "fence": claim.fence})
        for message in take(run / "inbox"):
            # Where a test wants this process dead in the middle of its POST, it finds it here.
            (run / "pids" / message["attempt_id"]).write_text(str(os.getpid()))
            place_call(**message)
        attempts.reap(now=timezone.now())
        time.sleep(REST_S)


def answer(run: Path) -> None:
    """Be the bridge: turn every socket the switch opens into a call, and end it."""
    from django.utils import timezone

    from campaigns.enums import Outcome
    from campaigns.errors import CallRefused
    from campaigns.services.attempts import connect, end_attempt

    live: list[tuple[float, uuid.UUID]] = []
    while True:
        for arrival in take(run / "answers", now_s=time.time()):
            try:
                attempt = connect(token=arrival["token"], switch_call_id=arrival["call_id"], now=timezone.now())
            except CallRefused as refused:
                note(run / "refused.jsonl", {"call_id": arrival["call_id"], "code": refused.code})
                continue
            note(run / "connected.jsonl", {"attempt_id": str(attempt.pk), "call_id": arrival["call_id"]})
            live.append((time.time() + CALL_S, attempt.pk))
        for ends_s, attempt_id in [call for call in live if call[0] <= time.time()]:
            live.remove((ends_s, attempt_id))
            end_attempt(attempt_id, outcome=Outcome.ANSWERED, reason="call", now=timezone.now())
        time.sleep(REST_S)


def watch(run: Path) -> None:
    """Return once nobody waits, nobody is dialed and no socket is on its way."""
    from campaigns.models import CallAttempt, Contact

    while True:
        is_busy = (
            Contact.objects.filter(state__in=("pending", "dialing")).exists()
            or CallAttempt.objects.exclude(state="ended").exists()
            or any((run / "answers").iterdir())
        )
        if not is_busy:
            return
        time.sleep(5 * REST_S)


def pool(run: Path) -> tuple[int, str]:
    """Run everybody until the watcher is content, replacing killed dialers: the number killed, and what went wrong."""
    roles: dict[int, Callable[[Path], None]] = {}

    def start(role: Callable[[Path], None]) -> None:
        child = os.fork()
        if child == 0:
            role(run)
            os._exit(0)
        roles[child] = role

    everybody: list[Callable[[Path], None]] = [*[dial] * DIALERS, answer, watch]
    for role in everybody:
        start(role)
    kills, fault, deadline_s = 0, f"not quiet after {RUN_DEADLINE_S} s", time.monotonic() + RUN_DEADLINE_S
    while time.monotonic() < deadline_s:
        child, status = os.waitpid(-1, os.WNOHANG)
        if child == 0:
            time.sleep(0.01)
            continue
        role = roles.pop(child)
        ended = os.waitstatus_to_exitcode(status)
        if role is watch or ended not in KILLED:
            fault = f"{role.__name__} ended with {ended}" if ended else ""
            break
        kills += 1
        start(role)
    for child in roles:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return kills, fault


def check(run: Path) -> list[str]:
    """Every breach of the invariants, by what the database says and what the switch remembers. Source: E.15."""
    ledger = {kind: lines_of(run / f"{kind}.jsonl") for kind in ("posts", "calls")}
    return [
        *breaches_of_once(ledger),
        *breaches_of_count(ledger),
        *breaches_of_rest(ledger["calls"]),
        *breaches_of_connection(run),
        *breaches_in_the_history(),
    ]


def breaches_of_once(ledger: Ledger) -> Iterator[str]:
    """More than one request, or more than one call, for an attempt."""
    for kind in ("posts", "calls"):
        for attempt_id, times in Counter(entry["attempt_id"] for entry in ledger[kind]).items():
            if times > 1:
                yield f"I1/I2: {times} {kind} of attempt {attempt_id}"


def breaches_of_count(ledger: Ledger) -> Iterator[str]:
    """Calls that no attempt owns up to, and contacts whose attempts are miscounted."""
    from campaigns.models import CallAttempt, Contact
    from campaigns.policies.outcomes import UNCOUNTED_OUTCOMES

    attempts = {str(attempt.pk): attempt for attempt in CallAttempt.objects.all()}
    calls = Counter[int]()
    for call in ledger["calls"]:
        attempt = attempts.get(call["attempt_id"])
        if attempt is None or attempt.outcome in UNCOUNTED_OUTCOMES:
            yield f"I6: a phone rang for {call['attempt_id']}, which says it was never sent"
        else:
            calls[attempt.contact_id] += 1
    counted = Counter(attempt.contact_id for attempt in attempts.values() if attempt.is_counted)
    for contact in Contact.objects.all():
        if not calls[contact.pk] <= counted[contact.pk] == contact.attempts_made <= MAX_ATTEMPTS:
            yield (
                f"I4: contact {contact.pk}: {calls[contact.pk]} calls, {counted[contact.pk]} attempts counted, "
                f"{contact.attempts_made} noted"
            )


def breaches_of_rest(calls: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Phones that rang again too soon, in whichever campaign."""
    from django.conf import settings

    # The marker of the first may be as old as the pause guard allows.
    shortest_s = settings.REDIAL_MIN_S - settings.PAUSE_BUDGET_S
    latest: dict[str, float] = {}
    for call in sorted(calls, key=lambda call: float(call["at_s"])):
        gap_s = call["at_s"] - latest.get(call["destination"], float("-inf"))
        if gap_s < shortest_s:
            yield f"I9: {call['destination']} rang again after {gap_s:.2f} s"
        latest[call["destination"]] = call["at_s"]


def breaches_of_connection(run: Path) -> Iterator[str]:
    """Sockets that were let in and are not recorded."""
    from campaigns.models import CallAttempt

    for arrival in lines_of(run / "connected.jsonl"):
        attempt = CallAttempt.objects.get(pk=arrival["attempt_id"])
        if (attempt.outcome, attempt.switch_call_id) != ("answered", arrival["call_id"]):
            yield f"D4: the call of attempt {attempt.pk} is not recorded"


def breaches_in_the_history() -> Iterator[str]:
    """Contacts and attempts left open, and logs that the tables do not allow."""
    from campaigns.enums import AttemptState
    from campaigns.models import CallAttempt, Contact
    from campaigns.states import ATTEMPT_RANK, ATTEMPT_STEPS, FINAL_CONTACT_STATES

    for contact in Contact.objects.exclude(state__in=FINAL_CONTACT_STATES):
        yield f"I5: contact {contact.pk} is still {contact.state}"
    for attempt in CallAttempt.objects.exclude(state=AttemptState.ENDED):
        yield f"I5: attempt {attempt.pk} is still {attempt.state}"
    for attempt in CallAttempt.objects.prefetch_related("log"):
        state = ""
        for step in sorted(attempt.log.all(), key=lambda step: step.pk):
            new = AttemptState(step.to_state)
            is_late = step.reason == "late_connect" or attempt.reason == "late_connect"
            is_correction = is_late and state == new == AttemptState.ENDED
            if step.from_state != state:
                yield f"I7: attempt {attempt.pk} stepped from {step.from_state}, but was {state or 'new'}"
            elif state and not is_correction and new not in ATTEMPT_STEPS[AttemptState(state)]:
                yield f"I7: attempt {attempt.pk} went from {state} to {new}"
            elif state and ATTEMPT_RANK[new] < ATTEMPT_RANK[AttemptState(state)]:
                yield f"I7: attempt {attempt.pk} fell from {state} to {new}"
            state = new.value
        if state != attempt.state:
            yield f"I7: attempt {attempt.pk} is {attempt.state}, its log ends with {state}"
    if not CallAttempt.objects.exists():
        yield "nothing was dialed"


def write(directory: Path, message: dict[str, Any]) -> None:
    """Put a message into a directory, whole or not at all."""
    name = uuid.uuid4().hex
    part = directory.parent / f"{name}.part"
    part.write_text(json.dumps(message))
    part.rename(directory / name)


def take(directory: Path, *, now_s: float = float("inf")) -> Iterator[dict[str, Any]]:
    """Messages that are due and that nobody else took; taking one removes it."""
    for path in list(directory.iterdir()):
        try:
            message: dict[str, Any] = json.loads(path.read_text())
            if message.pop("at_s", 0) > now_s:
                continue
            path.unlink()
        except FileNotFoundError:
            continue
        yield message


def note(path: Path, line: dict[str, Any]) -> None:
    """Append a line to a file."""
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def lines_of(path: Path) -> list[dict[str, Any]]:
    """What was appended to a file, in order."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def shorten_waits() -> None:
    """Make the waits that no setting governs small enough for a run of seconds."""
    from campaigns.policies import cadence
    from campaigns.services import claiming

    cadence.RELEASE_WAIT_S, cadence.RELEASE_WAIT_MAX_S = 0.1, 0.5
    claiming.NUMBER_BUSY_WAIT_S = 0.5


def main(run: Path, psr_url: str) -> None:
    django.setup()
    shorten_waits()
    seed(run, psr_url)
    # A connection must not be shared by forked processes.
    connections.close_all()
    kills, fault = pool(run)
    print(json.dumps({"kills": kills, "breaches": [fault] if fault else check(run)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
