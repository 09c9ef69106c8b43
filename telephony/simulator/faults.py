"""What a faulty stream sends besides its audio, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from telephony.simulator.behaviours import Noise

FLOOD_FACTOR = 10
SILENT_FROM_MS = 3000
ODD_SPLIT_FROM_MS = 500
HUGE_MESSAGE_BYTES = 300 * 1024


@dataclass(frozen=True, slots=True)
class Fault:
    """A wrong message, sent `at_ms` after the stream began."""

    at_ms: int
    name: str
    message: str | bytes


MALFORMED: tuple[Fault, ...] = (
    Fault(600, "bad_json", '{"event": "media", "media": {'),
    Fault(700, "not_an_object", "[1, 2, 3]"),
    Fault(800, "empty", ""),
    Fault(900, "bad_base64", '{"event": "media", "media": {"payload": "!!! not base64 !!!"}}'),
    Fault(1000, "payload_not_text", '{"event": "media", "media": {"payload": 12}}'),
    Fault(1100, "no_payload", '{"event": "media"}'),
    Fault(1200, "unknown_event", '{"event": "weather", "data": {"rain": true}}'),
    Fault(1300, "no_event", '{"media": {"payload": ""}}'),
    Fault(1400, "binary", b"\x00\x01\x02\xff"),
    Fault(1500, "nan", '{"event": "media", "timestamp": NaN}'),
)

FAULT_SCHEDULE: Mapping[Noise, tuple[Fault, ...]] = {
    Noise.NONE: (),
    Noise.MALFORMED: MALFORMED,
    Noise.HUGE: (Fault(2000, "huge_message", '{"event": "media", "pad": "' + "x" * HUGE_MESSAGE_BYTES + '"}'),),
    Noise.FLOOD: (),
    Noise.MUTE: (),
}
