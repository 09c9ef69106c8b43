"""The parts a behaviour is made of: what can happen when a number is dialed.

A behaviour has three parts that do not know each other: what the create-stream request gets (`Placing`), whether and
how PSR's socket comes (`Streaming`), and what the person who answers does (`Persona`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

# The recording of an answer that nobody understands.
MUMBLE = "mumble"


class Reply(StrEnum):
    """What the create-stream request is answered with."""

    OK = "ok"
    REFUSED = "refused"
    THROTTLED_ONCE = "throttled_once"
    USELESS_BODY = "useless_body"
    REPEATED_CALL_ID = "repeated_call_id"
    FOREIGN_RECORDING_URL = "foreign_recording_url"
    RESET = "reset"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Placing:
    """The HTTP side: `status` counts for `REFUSED`; `is_slow` holds the reply back for `Options.slow_reply_s`."""

    reply: Reply = Reply.OK
    status: int = 200
    is_placed: bool = True
    is_slow: bool = False


class Pickup(StrEnum):
    """What the called phone does."""

    ANSWERS = "answers"
    BUSY = "busy"
    NO_ANSWER = "no_answer"


class Arrival(StrEnum):
    """When the socket comes."""

    ON_ANSWER = "on_answer"
    BEFORE_REPLY = "before_reply"
    LATE = "late"


class Ending(StrEnum):
    """How the stream ends when the call does."""

    CLOSED = "closed"
    CLOSED_TWICE = "closed_twice"
    WITHOUT_CLOSED = "without_closed"
    ABORTED = "aborted"


class Noise(StrEnum):
    """What is wrong with the stream in mid-call."""

    NONE = "none"
    MALFORMED = "malformed"
    HUGE = "huge"
    FLOOD = "flood"
    MUTE = "mute"


@dataclass(frozen=True, slots=True)
class Streaming:
    """The socket side. `sockets` is how many are opened for the one call."""

    pickup: Pickup = Pickup.ANSWERS
    arrival: Arrival = Arrival.ON_ANSWER
    sockets: int = 1
    noise: Noise = Noise.NONE
    ending: Ending = Ending.CLOSED


@dataclass(frozen=True, slots=True)
class Persona:
    """How the person who answers talks. Times count from the answer, phrases are names of recordings.

    `opening` is said at once. `replies` are said one after each prompt heard to its end; a prompt that is asked again
    gets the same reply again (after a mumble the next one, which says it clearly). The last one serves all that follow;
    once it was said the person waits `linger_ms` for the agent to hang up, then does so.
    `pause_ms` is the quiet that ends a prompt for this person, `reaction_ms` the thinking after it. `barges_into` is
    the prompt (from 1) that the person speaks over, `barge_ms` into it. `leaves_during` is the prompt in which the
    person hangs up, `leave_ms` into it. After `asks_after_ms` of quiet the person says hello, after
    `gives_up_after_ms` hangs up. `hangs_up_after_ms` ends any call.
    """

    replies: tuple[str, ...] = ()
    opening: tuple[str, ...] = ()
    pause_ms: int = 600
    reaction_ms: int = 150
    barges_into: int | None = None
    barge_ms: int = 1200
    leaves_during: int | None = None
    leave_ms: int = 900
    hangs_up_after_ms: int | None = None
    asks_after_ms: int | None = 6000
    gives_up_after_ms: int = 20_000
    linger_ms: int = 6000


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One row of the table, without its digits."""

    name: str
    description: str
    placing: Placing = field(default_factory=Placing)
    streaming: Streaming = field(default_factory=Streaming)
    persona: Persona = field(default_factory=Persona)


@dataclass(frozen=True, slots=True)
class Row:
    """Numbers ending in `first` to `last` (both included) behave so."""

    first: int
    last: int
    behaviour: Behaviour

    @property
    def endings(self) -> str:
        """The digits as people write them: `07` or `00-07`."""
        return f"{self.first:02}" if self.first == self.last else f"{self.first:02}-{self.last:02}"
