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
`--stages`, `--servers`, `--capacity`, `--knocks` run one part. All of it takes about ten minutes. `--peers` measures
ours beside other bridges (see `peers`); it installs them, and so it runs only when asked for.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from benchmarks.bridge import peers, stages
from benchmarks.bridge.carrying import (
    B200,
    CLIMB_CALLS,
    D20,
    ECHO,
    FIRST_CALLS,
    LIVECALL,
    MAX_ADDED_MS,
    SECONDS,
    UCID,
    Climb,
    Load,
    attempt,
)
from benchmarks.bridge.load import NO_KNOCKS, Kind, Knocks, Latency, Run, compiler, serving

CALLS: Final = (25, 140)
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

LOADS: Final[dict[Kind, Sequence[Load]]] = {
    Kind.DIRECT: (ECHO, D20, B200, UCID, LIVECALL),
    Kind.ASGI: (ECHO, D20),
    Kind.DAPHNE: (ECHO, D20),
}


def main(argv: list[str]) -> None:
    """Print the parts that are asked for, all by default."""
    parts = [part for part in ("--stages", "--servers", "--capacity", "--knocks", "--peers") if part in argv] or None
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
    if parts is not None and "--peers" in parts:
        peers.main(CALLS)


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
                    print(_row(kind, load, calls, attempt(server, load, calls), idle.rss_bytes), flush=True)


def capacity() -> None:
    """The largest number of calls within the bound."""
    print(f"\nMost calls with p99 at most {MAX_ADDED_MS:.0f} ms above one call alone, {SECONDS:.0f} s a run:\n")
    print("| load | calls on one core | CPU ms per call and second | p50 / p99 to the agent | to the vendor |")
    print("|---|---|---|---|---|")
    for load in (D20, B200, UCID, LIVECALL):
        with serving(Kind.DIRECT, CLIMB_CALLS) as server:
            climb = Climb(server, load, attempt(server, load, 1))
            while climb.step():
                pass
        best = climb.best
        if best is None:
            print(f"| {load.name} | fewer than {FIRST_CALLS} | | | |", flush=True)
        else:
            print(
                f"| {load.name} | {best.calls} | {best.cpu_ms_per_call_s:.2f} | {best.up} | {best.down} |",
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


def _row(kind: Kind, load: Load, calls: int, run: Run | None, idle_bytes: int) -> str:
    if run is None:
        return f"| {kind.value} | {load.name} | {calls} | not carried | | | |"
    down = "" if load is ECHO else str(run.down)
    mark = "" if run.late_ms <= MAX_LATE_MS else f" (load itself late by {run.late_ms:.0f})"
    memory = max(0, run.rss_bytes - idle_bytes) / calls / 2**20
    return (
        f"| {kind.value} | {load.name} | {calls} | {run.cpu_ms_per_call_s:.2f} | {run.up}{mark} | {down} "
        f"| {memory:.2f} |"
    )


def _all(latency: Latency) -> str:
    return f"{latency} / {latency.max_ms:.1f}"
