"""What a seed stands for: every fault and every order of an operator in one run. Times are seconds from its start.

The seed fixes what is tried, not what comes of it: real processes race each other differently every time.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import StrEnum

CAMPAIGNS = 2
CONTACTS_PER_CAMPAIGN = 7
# Three numbers of eleven are in both campaigns.
SHARED_NUMBERS = 3
NUMBERS = CAMPAIGNS * CONTACTS_PER_CAMPAIGN - SHARED_NUMBERS
MAX_ATTEMPTS = 2
DIALERS = 2

# Small enough for a run of seconds; the inequalities of campaigns/checks.py hold among them.
TIMES_S = {
    "CLAIM_LEASE_S": 0.8,
    "DIAL_CONNECT_TIMEOUT_S": 0.4,
    "DIAL_TOTAL_TIMEOUT_S": 0.6,
    "PAUSE_BUDGET_S": 0.5,
    "DISPATCH_LEASE_S": 1.2,
    "RING_TIMEOUT_S": 0.6,
    "RING_GRACE_S": 0.4,
    "REDIAL_MIN_S": 1.2,
    "UNCONFIRMED_REDIAL_MIN_S": 1.2,
}
# What the campaigns of every third seed ring first, all of them the same few.
EXTENSIONS = ("101", "102", "103")
# How long the switch lets a phone ring that nobody answers: shorter than RING_TIMEOUT_S, as a real one must be.
RING_S = 0.4
CRASH_POINTS = ("claimed", "mark_before_commit", "marked", "posted", "answered", "result_before_commit")
FREEZE_POINTS = ("marked", "claimed", "posted", "answered")
# Longer than an attempt that is frozen at its marker takes to be given up and its contact to be dialed again.
FREEZE_S = (2.6, 4.0)


class Order(StrEnum):
    """What an operator does in the middle of a run; the argument is a place in the list of campaigns or of numbers."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    SUPPRESS = "suppress"
    LOWER_CAP = "lower_cap"
    STOP_ALL = "stop_all"
    GO_ON = "go_on"


@dataclass(frozen=True, slots=True)
class Task:
    """One order at its time."""

    at_s: float
    order: Order
    argument: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """One run. Probabilities are per message or per visit of a point.

    `skew_s` is how far the first dialer's clock is off; `window_closes_s` is when the first campaign's calling window
    closes, None if it stays open; `number_cap` is how often one number may be called in a day, None for no limit.
    `extensions` are what both campaigns ring first, none where they call customers at once.
    """

    seed: int
    crash_point: str
    crash_probability: float
    freeze_point: str
    freeze_s: float
    kills_s: tuple[float, ...]
    lost: float
    doubled: float
    delayed: float
    delay_s: tuple[float, float]
    broker_losses_s: tuple[float, ...]
    broker_outage_s: tuple[float, float] | None
    skew_s: float
    window_closes_s: float | None
    trunk_lines: int
    campaign_lines: tuple[int, ...]
    number_cap: int | None
    tasks: tuple[Task, ...] = field(default=())
    extensions: tuple[str, ...] = ()
    has_database_restarts: bool = False

    @property
    def crash_setting(self) -> str:
        """As CRASH_POINT takes it."""
        return f"{self.crash_point}:{self.crash_probability}:{self.seed}"


def draw(seed: int) -> Schedule:
    """The schedule of a seed. Consecutive seeds take every crash point and every freezing point in turn."""
    chance = random.Random(seed)
    # Who waits for a database has no time to lose by a window.
    has_restarts = seed % 5 == 0
    return Schedule(
        seed=seed,
        crash_point=CRASH_POINTS[seed % len(CRASH_POINTS)],
        crash_probability=chance.uniform(0.1, 0.25),
        # Most freezes strike between marker and POST, where they are worst.
        freeze_point=FREEZE_POINTS[seed // 2 % len(FREEZE_POINTS)] if seed % 2 else FREEZE_POINTS[0],
        freeze_s=chance.uniform(*FREEZE_S),
        kills_s=tuple(sorted(chance.uniform(0.5, 6) for _ in range(chance.randint(0, 3)))),
        lost=chance.uniform(0, 0.15),
        doubled=chance.uniform(0.05, 0.2),
        delayed=chance.uniform(0.1, 0.3),
        # A message that is late may come when its lease is over.
        delay_s=(0.2, 1.6),
        broker_losses_s=tuple(chance.uniform(0.5, 5) for _ in range(chance.randint(0, 2))),
        broker_outage_s=(start := chance.uniform(0.5, 4), start + 0.8) if seed % 4 == 1 else None,
        skew_s=chance.choice((-0.3, 0.3)) if seed % 5 == 2 else 0.0,
        window_closes_s=chance.uniform(1.0, 3.0) if seed % 3 == 0 and not has_restarts else None,
        trunk_lines=chance.randint(3, 5),
        campaign_lines=tuple(chance.randint(2, 4) for _ in range(CAMPAIGNS)),
        number_cap=chance.choice((None, 1, 2, 3)),
        tasks=_tasks(chance),
        extensions=EXTENSIONS if seed % 3 == 1 else (),
        has_database_restarts=has_restarts,
    )


def _tasks(chance: random.Random) -> tuple[Task, ...]:
    tasks = [
        Task(chance.uniform(0.1, 3), Order.SUPPRESS, number)
        for number in chance.sample(range(NUMBERS), chance.randint(1, 4))
    ]
    for campaign in range(CAMPAIGNS):
        if chance.random() < 0.7:
            pauses_s = chance.uniform(0.2, 4)
            tasks.append(Task(pauses_s, Order.PAUSE, campaign))
            tasks.append(Task(pauses_s + chance.uniform(0.5, 2), Order.RESUME, campaign))
    if chance.random() < 0.3:
        stops_s = chance.uniform(0.5, 4)
        tasks += [Task(stops_s, Order.STOP_ALL, 0), Task(stops_s + chance.uniform(0.5, 1.5), Order.GO_ON, 0)]
    if chance.random() < 0.2:
        tasks.append(Task(chance.uniform(2.5, 6), Order.CANCEL, chance.randrange(CAMPAIGNS)))
    if chance.random() < 0.3:
        tasks.append(Task(chance.uniform(1, 4), Order.LOWER_CAP, 0))
    return tuple(sorted(tasks, key=lambda task: task.at_s))
