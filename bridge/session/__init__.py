"""One live call: three pumps in one TaskGroup, from the accepted socket to the summary.

`vendor_pump` reads the socket and never waits for anyone; `voice_pump` owns the writing, paces the agent's audio and
keeps every deadline; `agent_pump` runs the agent. The pump that sees the end raises `CallOver`, its siblings are
cancelled, and leaving the scope hangs up where the vendor still listens. Knows neither Django nor Channels.
"""

from bridge.session.call import bridge_call
from bridge.session.contracts import (
    Action,
    ActionResult,
    AddToDnc,
    Answer,
    CallSummary,
    Clock,
    CloseCode,
    Counters,
    EndedBy,
    Findings,
    Hear,
    Leg,
    Limits,
    PrepareTransfer,
    ScheduleCallback,
    Sink,
    Stop,
    Turn,
    listen_by,
)

__all__ = [
    "Action",
    "ActionResult",
    "AddToDnc",
    "Answer",
    "CallSummary",
    "Clock",
    "CloseCode",
    "Counters",
    "EndedBy",
    "Findings",
    "Hear",
    "Leg",
    "Limits",
    "PrepareTransfer",
    "ScheduleCallback",
    "Sink",
    "Stop",
    "Turn",
    "bridge_call",
    "listen_by",
]
