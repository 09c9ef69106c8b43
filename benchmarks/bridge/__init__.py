"""How many calls one core carries, what a call costs, and where its time goes.

The server is the product's own process with its ASGI application, a database, recording and transcripts; its agent is
the OpenAI Realtime one. Vendor and AI service are played by a small C program (`load.c`) on another core. Four parts:

* stages: µs of each step of one 20 ms frame, in this process, beside the plain way of doing it;
* servers: CPU per call and second, and the time that audio takes through the bridge, for each way of serving sockets
  and each protocol, beside a bare WebSocket echo on the same server;
* capacity: the largest number of calls of which 99 of 100 pieces of audio come at most 20 ms later than on an idle
  machine; more and more are tried, and each number that fails is tried again, as one stall of the machine fails it;
* knocks: what a few calls notice of handshakes with bad tokens, from one address and from many.

D20 is an agent that speaks in pieces of 20 ms, B200 one of 200 ms. Without a C compiler only the stages are measured.
`--stages`, `--servers`, `--capacity`, `--knocks` run one part. All of it takes about a quarter of an hour.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.bridge import stages
from benchmarks.bridge.load import NO_KNOCKS, Kind, Knocks, Latency, Run, Server, compiler, serving

SECONDS: Final = 5.0
CALLS: Final = (25, 140)
# Later than this a caller and an agent begin to talk over each other sooner than they would.
MAX_ADDED_MS: Final = 20.0
FIRST_CALLS: Final = 60
MOST_CALLS: Final = 640
TRIES: Final = 2
# A generator that is later than this itself measures nothing.
MAX_LATE_MS: Final = 5.0


KNOCKED_CALLS: Final = 5
KNOCKED_S: Final = 10.0
# One address is blocked after 20; of a hundred thousand none ever is. The last are as many as there is time for.
KNOCKS: Final = (
    NO_KNOCKS,
    Knocks(1_000, 1),
    Knocks(5_000, 1),
    Knocks(20_000, 1),
    Knocks(1_000, 100_000),
    Knocks(5_000, 100_000),
)


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

LOADS: Final[dict[Kind, Sequence[Load]]] = {
    Kind.DIRECT: (ECHO, D20, B200, UCID, LIVECALL),
    Kind.ASGI: (ECHO, D20),
    Kind.DAPHNE: (ECHO, D20),
}


def main(argv: list[str]) -> None:
    """Print the parts that are asked for, all by default."""
    parts = [part for part in ("--stages", "--servers", "--capacity", "--knocks") if part in argv] or None
    if parts is None or "--stages" in parts:
        stages.main()
    if (os.cpu_count() or 1) < 2 or compiler() is None:
        print("\nOnly the stages are measured: all else takes two cores and a C compiler (cc, gcc or clang).")
        return
    if parts is None or "--servers" in parts:
        servers()
    if parts is None or "--capacity" in parts:
        capacity()
    if parts is None or "--knocks" in parts:
        knocks()


def servers() -> None:
    """CPU and latency for each kind of server."""
    print(f"\nOne server core, {SECONDS:.0f} s a run, recording and transcripts on. Latencies in ms, p50 / p99.\n")
    print("| server | load | calls | CPU ms per call and second | to the agent | to the vendor | MiB a call |")
    print("|---|---|---|---|---|---|---|")
    for kind, loads in LOADS.items():
        with serving(kind, sum(CALLS) * len(loads) + 1) as server:
            idle = server.play("psr", 20, 1, SECONDS)
            for load in loads:
                for calls in CALLS:
                    print(_row(kind, load, calls, _try(server, load, calls), idle.rss_bytes), flush=True)


def capacity() -> None:
    """The largest number of calls within the bound."""
    print(f"\nMost calls with p99 at most {MAX_ADDED_MS:.0f} ms above one call alone, {SECONDS:.0f} s a run:\n")
    print("| load | calls on one core | CPU ms per call and second | p50 / p99 to the agent | to the vendor |")
    print("|---|---|---|---|---|")
    for load in (D20, B200, UCID, LIVECALL):
        with serving(Kind.DIRECT, TRIES * (sum(_climb()) + MOST_CALLS)) as server:
            idle = server.play(load.protocol, load.delta_ms, 1, SECONDS)
            best = _most(server, load, idle)
        if best is None:
            print(f"| {load.name} | fewer than {FIRST_CALLS} | | | |", flush=True)
        else:
            print(
                f"| {load.name} | {best.calls} | {best.cpu_ms_per_call_s:.2f} | {_both(best.up)} "
                f"| {_both(best.down)} |",
                flush=True,
            )


def knocks() -> None:
    """What calls notice of handshakes with bad tokens."""
    print(f"\n{KNOCKED_CALLS} calls of D20 while others knock with bad tokens, {KNOCKED_S:.0f} s a run. ", end="")
    print("Latencies in ms, p50 / p99 / most.\n")
    print("| knocks a second | addresses | answered | with 429 | the core is busy | to the agent | to the vendor |")
    print("|---|---|---|---|---|---|---|")
    with serving(Kind.DIRECT, KNOCKED_CALLS * len(KNOCKS)) as server:
        for kind in KNOCKS:
            run = server.play(D20.protocol, D20.delta_ms, KNOCKED_CALLS, KNOCKED_S, kind)
            print(
                f"| {kind.per_s:,} | {kind.addresses:,} | {run.answered_per_s:,.0f} | {run.blocked_per_s:,.0f} "
                f"| {run.cpu_share:.0%} | {_all(run.up)} | {_all(run.down)} |",
                flush=True,
            )


def _climb() -> list[int]:
    """The numbers to try, each a quarter above the one before."""
    numbers = [FIRST_CALLS]
    while numbers[-1] * 5 // 4 <= MOST_CALLS:
        numbers.append(numbers[-1] * 5 // 4)
    return numbers


def _most(server: Server, load: Load, idle: Run) -> Run | None:
    best: Run | None = None
    for calls in _climb():
        run = _good(server, load, calls, idle)
        if run is None:
            # What lies between is tried once, so that the answer is within an eighth.
            between = None if best is None else _good(server, load, (best.calls + calls) // 2, idle)
            return between or best
        best = run
    return best


def _good(server: Server, load: Load, calls: int, idle: Run) -> Run | None:
    """A run of so many calls within the bound, None where there is none."""
    runs = (_try(server, load, calls) for _ in range(TRIES))
    return next((run for run in runs if run is not None and _is_good(run, idle)), None)


def _is_good(run: Run, idle: Run) -> bool:
    return (
        run.faults == 0
        and run.up.p99_ms <= idle.up.p99_ms + MAX_ADDED_MS
        and run.down.p99_ms <= idle.down.p99_ms + MAX_ADDED_MS
    )


def _try(server: Server, load: Load, calls: int) -> Run | None:
    try:
        return server.play(load.protocol, load.delta_ms, calls, SECONDS)
    except RuntimeError:
        # It took too long to open them all: that is an answer too.
        return None


def _row(kind: Kind, load: Load, calls: int, run: Run | None, idle_bytes: int) -> str:
    if run is None:
        return f"| {kind.value} | {load.name} | {calls} | not carried | | | |"
    down = "" if load is ECHO else _both(run.down)
    mark = "" if run.late_ms <= MAX_LATE_MS else f" (load itself late by {run.late_ms:.0f})"
    memory = max(0, run.rss_bytes - idle_bytes) / calls / 2**20
    return (
        f"| {kind.value} | {load.name} | {calls} | {run.cpu_ms_per_call_s:.2f} | {_both(run.up)}{mark} | {down} "
        f"| {memory:.2f} |"
    )


def _both(latency: Latency) -> str:
    return f"{latency.p50_ms:.1f} / {latency.p99_ms:.1f}"


def _all(latency: Latency) -> str:
    return f"{_both(latency)} / {latency.max_ms:.1f}"
