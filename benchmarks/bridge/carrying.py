"""Kinds of traffic, and the most calls of one kind that a server carries."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Final

from benchmarks.bridge.load import Run, Server

SECONDS: Final = 5.0
# Later than this a caller and an agent begin to talk over each other sooner than they would.
MAX_ADDED_MS: Final = 20.0
FIRST_CALLS: Final = 60
MOST_CALLS: Final = 640
TRIES: Final = 2
# One climb takes no more: the numbers before add up to four times the last that was carried, or to five times the first
# that was refused, and what is refused is tried twice.
CLIMB_CALLS: Final = 10 * MOST_CALLS


@dataclass(frozen=True)
class Load:
    """One kind of traffic."""

    name: str
    protocol: str
    delta_ms: int


ECHO: Final = Load("echo", "echo", 20)
D20: Final = Load("PSR, D20", "psr", 20)
B200: Final = Load("PSR, B200", "psr", 200)
UCID: Final = Load("ucid, D20", "ucid", 20)
LIVECALL: Final = Load("LiveCall, D20", "livecall", 20)


def attempt(server: Server, load: Load, calls: int) -> Run | None:
    """A run of so many calls; None where they could not even be opened in time, which is an answer too."""
    try:
        return server.play(load.protocol, load.delta_ms, calls, SECONDS)
    except RuntimeError:
        return None


class Climb:
    """The search for the most calls of a kind that one server carries, one run at a time.

    A run is within the bound if 99 of 100 pieces of audio come at most `MAX_ADDED_MS` later than those of one call
    alone. One stall of the machine fails a run, so each number that fails is tried again.
    """

    def __init__(
        self, server: Server, load: Load, idle: Run | None, first: int = FIRST_CALLS, fewest: int = FIRST_CALLS
    ) -> None:
        """`idle` is one call alone on this server; without it nothing is tried."""
        self.best: Run | None = None
        self.is_limited = False
        self._server = server
        self._load = load
        self._idle = idle
        self._numbers = numbers(first, fewest)
        self._next = None if idle is None else next(self._numbers, None)

    def step(self) -> bool:
        """Try the next number; whether there is one more.

        `best` is then the best run so far, None for none; `is_limited` says that some number was refused.
        """
        if self._next is None:
            return False
        run = next((run for _ in range(TRIES) if (run := self._good(self._next)) is not None), None)
        if run is not None:
            self.best = run
        else:
            self.is_limited = True
        try:
            self._next = self._numbers.send(run is not None)
        except StopIteration:
            self._next = None
        return self._next is not None

    def _good(self, calls: int) -> Run | None:
        run = attempt(self._server, self._load, calls)
        return run if run is not None and self._idle is not None and is_good(run, self._idle) else None


def is_good(run: Run, idle: Run) -> bool:
    """Whether a run is within the bound; `idle` is one call alone on the same server."""
    return (
        run.faults == 0
        and run.up.p99_ms <= idle.up.p99_ms + MAX_ADDED_MS
        and run.down.p99_ms <= idle.down.p99_ms + MAX_ADDED_MS
    )


def numbers(first: int, fewest: int) -> Generator[int, bool, None]:
    """The numbers of calls to try, each to be answered by whether it was carried.

    Each is a quarter above the one before; where already `first` is too many, a fifth below it, down to `fewest`. What
    lies between the last that was carried and the first that was not is tried once, so that the answer is within an
    eighth.
    """
    carried = refused = None
    number = first
    while fewest <= number <= MOST_CALLS and (carried is None or refused is None):
        if (yield number):
            carried = number
            number = number * 5 // 4
        else:
            refused = number
            number = number * 4 // 5
    if carried is not None and refused is not None and refused - carried > 1:
        yield (carried + refused) // 2
