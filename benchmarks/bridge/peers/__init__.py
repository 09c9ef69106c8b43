"""Ours beside other bridges, each on the same core, turn and turn about in one run.

* `limit.c` does nothing but bridge, in C: the physical limit.
* `gateway.mjs` is what a careful Node developer writes with `ws`.
* `pipecat_bot.py` is pipecat's pipeline for OpenAI Realtime.

The load is that of PSR, D20 and B200. Ours has authentication, recording, transcripts, voice detection and pacing on;
of the others only pipecat has transcripts and pacing, and none records. To the AI service C and Node send every frame
of the line by itself, ours two at a time, pipecat what its resampler lets go. All of it takes about twelve minutes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.bridge.carrying import (
    B200,
    CLIMB_CALLS,
    D20,
    FIRST_CALLS,
    MAX_ADDED_MS,
    MOST_CALLS,
    SECONDS,
    Climb,
    Load,
    attempt,
)
from benchmarks.bridge.load import Kind, Run, Server
from benchmarks.bridge.load import serving as serving_ours
from benchmarks.bridge.peers import installing
from benchmarks.bridge.peers.installing import PEERS, NotMeasured

LOADS: Final = (D20, B200)
OURS: Final = "ours"
# A climb begins with what should fill so much of the core, going by the run of most calls before it.
FIRST_SHARE: Final = 0.7
FEWEST_CALLS: Final = 4
# Less is not measured in a run.
LEAST_SHARE: Final = 0.01
# Above this the core is full, and a call costs more than is seen.
FULL_SHARE: Final = 0.9
# A core of which others take more than this measures little. Less cannot be told from how the system counts.
MAX_OTHERS_SHARE: Final = 0.1
# So many cores' worth of calls are not tried: the more calls, the less does each cost, but not by so much.
HOPELESS_SHARE: Final = 2.5


class Contender(NamedTuple):
    """One bridge at work."""

    name: str
    server: Server


def main(calls: Sequence[int]) -> None:
    """Print both tables: what a call costs at each of these numbers, and the most calls."""
    print("\nBeside peers. Into a temporary directory go, and away again:\n")
    for peer in PEERS:
        print(f"* {peer.name}: {peer.installs}")
    print(flush=True)
    with _contenders(calls) as contenders:
        # Also what a bridge does once, at its first call, is then behind it.
        idle = {(name, load): attempt(server, load, 1) for load in LOADS for name, server in contenders}
        runs = _costs(contenders, calls)
        _capacities(contenders, idle, runs)


@contextmanager
def _contenders(calls: Sequence[int]) -> Iterator[list[Contender]]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="trunkline-peers-")))
        waiting = len(LOADS) * (sum(calls) + CLIMB_CALLS)
        contenders = [Contender(OURS, stack.enter_context(serving_ours(Kind.DIRECT, waiting)))]
        for peer in PEERS:
            try:
                name, server = stack.enter_context(installing.serving(peer, directory / peer.name))
            except NotMeasured as why:
                print(f"{peer.name} is not measured: {why}", flush=True)
            else:
                contenders.append(Contender(name, server))
        yield contenders


def _costs(contenders: Sequence[Contender], calls: Sequence[int]) -> dict[tuple[str, Load], Run]:
    """Print CPU and latencies; the answer is the last run of each that was carried."""
    print(f"\n{SECONDS:.0f} s a run, turn and turn about. Latencies in ms, p50 / p99.\n")
    print("| load | calls | bridge | CPU ms a call-second | ours / it | to the agent | to the vendor |")
    print("|---|---|---|---|---|---|---|", flush=True)
    last: dict[tuple[str, Load], Run] = {}
    for load, number in product(LOADS, calls):
        ours: Run | None = None
        for contender in contenders:
            before = last.get((contender.name, load))
            run = None if _is_hopeless(before, number) else attempt(contender.server, load, number)
            if contender.name == OURS:
                ours = run
            if run is not None:
                last[contender.name, load] = run
            print(f"| {load.name} | {number} | {contender.name} | {_cost(run, ours)} |", flush=True)
    return last


def _is_hopeless(before: Run | None, calls: int) -> bool:
    return before is not None and before.cpu_share * calls / before.calls > HOPELESS_SHARE


def _cost(run: Run | None, ours: Run | None) -> str:
    if run is None:
        return "not carried | | |"
    full = ", the whole core" if run.cpu_share > FULL_SHARE else ""
    full += f" (others took {run.others_share:.0%} of it)" if run.others_share > MAX_OTHERS_SHARE else ""
    ratio = "" if ours is None else _ratio(ours.cpu_ms_per_call_s, run.cpu_ms_per_call_s)
    return f"{run.cpu_ms_per_call_s:.2f}{full} | {ratio} | {run.up} | {run.down}"


def _capacities(
    contenders: Sequence[Contender],
    idle: Mapping[tuple[str, Load], Run | None],
    runs: Mapping[tuple[str, Load], Run],
) -> None:
    """Print the most calls of each; `idle` is one call alone, `runs` say where to begin."""
    print(f"\nMost calls with p99 at most {MAX_ADDED_MS:.0f} ms above one call alone, turn and turn about:\n")
    print("| load | bridge | calls on one core | ours / it | CPU ms a call-second | to the agent | to the vendor |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for load in LOADS:
        climbs = {
            name: Climb(server, load, idle[name, load], _first(runs.get((name, load))), FEWEST_CALLS)
            for name, server in contenders
        }
        climbing = list(climbs.values())
        while climbing:
            climbing = [climb for climb in climbing if climb.step()]
        ours = climbs[OURS].best
        for name, climb in climbs.items():
            print(f"| {load.name} | {name} | {_most(climb, ours)} |", flush=True)


def _first(run: Run | None) -> int:
    """Where a climb begins, by a run of some calls."""
    if run is None:
        return FIRST_CALLS
    return max(FEWEST_CALLS, min(MOST_CALLS * 4 // 5, int(run.calls * FIRST_SHARE / max(run.cpu_share, LEAST_SHARE))))


def _most(climb: Climb, ours: Run | None) -> str:
    best = climb.best
    if best is None:
        return f"fewer than {FEWEST_CALLS} | | | |"
    more = "" if climb.is_limited else " or more"
    ratio = "" if ours is None else _ratio(ours.calls, best.calls)
    return f"{best.calls}{more} | {ratio} | {best.cpu_ms_per_call_s:.2f} | {best.up} | {best.down}"


def _ratio(ours: float, its: float) -> str:
    return f"{ours / its:.2f}" if its else ""
