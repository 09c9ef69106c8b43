"""What a live call costs: resampling per 20 ms frame, and a whole call's CPU beside a bare echo on the same server.

The server is a process pinned to the first core; the load comes from the other one, through another library (picows),
so that neither flatters the other. Every call sends 20 ms PSR frames in real time and is answered by the echo agent;
the bare echo gets the same frames and sends each back. CPU is the server's own, from /proc. No database is touched.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import statistics
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import picows
import uvicorn

from bridge.agents.base import Brief
from bridge.agents.echo import EchoAgent
from bridge.audio.resample import Method, Resampler
from bridge.consumers.leg import AsgiLeg
from bridge.session import Action, ActionResult, CallSummary, Findings, Limits, Turn, bridge_call
from telephony.protocols.psr import PsrClientCodec, PsrServerCodec

FRAME_MS = 20
CALLS = 60
SECONDS = 6.0
REPEATS = 3
CLOCK_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class _Nowhere:
    """A sink that keeps nothing."""

    def turn(self, turn: Turn) -> None:
        """Not kept."""

    def learned(self, findings: Findings) -> None:
        """Not kept."""

    async def perform(self, action: Action) -> ActionResult:
        """Nothing is done."""
        return ActionResult(ok=False, error=f"nobody does {type(action).__name__} here")

    def ended(self, summary: CallSummary) -> None:
        """Not kept."""


async def application(scope, receive, send) -> None:
    """`/echo` sends frames back; anything else is a whole call."""
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    leg = AsgiLeg(receive, send)
    if scope["path"] == "/echo":
        while (message := await leg.receive()) is not None:
            await leg.send(message)
        return
    brief, agent = Brief("benchmark"), EchoAgent({"delay_ms": 0})
    await bridge_call(leg, PsrServerCodec(), agent, brief, Limits(), time.monotonic, _Nowhere())


def serve(ready: Connection) -> None:
    """The server process."""
    os.sched_setaffinity(0, {0})
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    ready.send(listener.getsockname()[1])
    config = uvicorn.Config(
        application,
        loop="uvloop",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        access_log=False,
        log_level="error",
        lifespan="off",
    )
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(uvicorn.Server(config).serve(sockets=[listener]))


class _Caller(picows.WSListener):
    """Counts what comes back."""

    def __init__(self) -> None:
        self.received_bytes = 0

    def on_ws_frame(self, transport, frame) -> None:  # noqa: ARG002  picows passes it
        self.received_bytes += len(frame.get_payload_as_bytes())


@dataclass(frozen=True)
class Load:
    """What one run of calls cost the server: CPU ms per call and second, and the bytes that came back per call."""

    cpu_ms_per_call_s: float
    received_per_call_bytes: float


async def load(port: int, path: str, server_pid: int) -> Load:
    """Run CALLS sockets in real time for SECONDS."""
    codec = PsrClientCodec("benchmark")
    frame = str(codec.media(1, bytes(320))).encode()
    url = f"ws://127.0.0.1:{port}{path}"
    callers = [_Caller() for _ in range(CALLS)]
    peers = [await picows.ws_connect(lambda caller=caller: caller, url) for caller in callers]
    for transport, _ in peers:
        transport.send(picows.WSMsgType.TEXT, str(codec.connected(0)).encode())
    loop = asyncio.get_running_loop()
    began_s, cpu_s, sent = loop.time(), cpu_time_s(server_pid), 0
    while (elapsed_s := loop.time() - began_s) < SECONDS:
        # Calls are spread over the frame's time, as real ones are.
        due = int(elapsed_s * 1000 / FRAME_MS * CALLS)
        for index in range(sent, due):
            peers[index % CALLS][0].send(picows.WSMsgType.TEXT, frame)
        sent = due
        await asyncio.sleep(0.001)
    cpu_ms = (cpu_time_s(server_pid) - cpu_s) * 1000
    for transport, _ in peers:
        transport.disconnect()
    received = statistics.fmean(caller.received_bytes for caller in callers)
    return Load(cpu_ms / CALLS / SECONDS, received)


def cpu_time_s(pid: int) -> float:
    """User and system time of a process so far (Source: proc(5), /proc/pid/stat, fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS_PER_S


def resampling() -> None:
    """Cost per 20 ms frame and what each method holds back."""
    print("| way | rates | µs per 20 ms frame | held back ms, min / mean / max |")
    print("|---|---|---|---|")
    for from_hz, to_hz in ((8_000, 24_000), (24_000, 8_000)):
        noise = np.random.default_rng(1).normal(0, 3_000, from_hz * 5).astype("<i2").tobytes()
        frame_bytes = from_hz * FRAME_MS // 1000 * 2
        for method in Method:
            resampler, costs_us, held_ms, out_bytes = Resampler(from_hz, to_hz, method), [], [], 0
            for number, at in enumerate(range(0, len(noise), frame_bytes), start=1):
                began = time.perf_counter()
                out_bytes += len(resampler.process(noise[at : at + frame_bytes]))
                costs_us.append((time.perf_counter() - began) * 1e6)
                held_ms.append(number * FRAME_MS - out_bytes * 500 / to_hz)
            # A filter holds its delay inside the samples it has given.
            inside_ms = resampler.delay_ms if method is Method.FIR else 0.0
            held = [ms + inside_ms for ms in held_ms]
            print(
                f"| {method.value} | {from_hz // 1000}→{to_hz // 1000} kHz | {statistics.median(costs_us):.1f} "
                f"| {min(held):.1f} / {statistics.fmean(held):.1f} / {max(held):.1f} |"
            )


def calls() -> None:
    """A whole call beside a bare echo, interleaved, medians of REPEATS."""
    if (os.cpu_count() or 1) < 2:
        print("Needs two cores: one for the server, one for the load.")
        return
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    affinity = os.sched_getaffinity(0)
    server.start()
    try:
        port, pid = ours.recv(), server.pid or 0
        os.sched_setaffinity(0, affinity - {0})
        results: dict[str, list[Load]] = {"/echo": [], "/call": []}
        asyncio.run(load(port, "/call", pid))
        for _ in range(REPEATS):
            for path, loads in results.items():
                loads.append(asyncio.run(load(port, path, pid)))
    finally:
        os.sched_setaffinity(0, affinity)
        server.terminate()
        server.join(5)
    echo, call = (statistics.median(each.cpu_ms_per_call_s for each in loads) for loads in results.values())
    received = statistics.median(each.received_per_call_bytes for each in results["/call"])
    print(f"\n{CALLS} calls at once, {SECONDS:.0f} s, medians of {REPEATS} interleaved runs, one server core:\n")
    print("| | CPU ms per call and second | calls that fill a core |")
    print("|---|---|---|")
    print(f"| bare echo on the same server | {echo:.2f} | {1000 / echo:.0f} |")
    print(f"| a whole call (codec, voice detector, session, playout, echo agent) | {call:.2f} | {1000 / call:.0f} |")
    print(f"\nA call costs {call / echo:.2f} × the bare echo; {received / 1024:.0f} KiB came back per call.")
    print("Filling a core is an upper bound: latency suffers before. No recording, database or agent socket here.")


def main(argv: list[str]) -> None:
    """Print both parts; takes about a minute."""
    del argv
    resampling()
    calls()
