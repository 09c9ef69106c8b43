"""One conversation as a state machine: what the server says, and what the bridge does, become events and messages.

Pure: it owns no socket and no clock. Time is ms of the customer's audio that was sent. At most one response is under
way at a time, and only the bridge interrupts one: it alone knows what the customer has heard.

Source: OpenAI Realtime API, conversations over WebSocket: truncation, tool calls, errors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.agents.base import AgentEvent, Failed, Said, Speaker, Transcript, UserSpeech
from bridge.agents.openai_realtime import events, wire
from bridge.agents.openai_realtime.agent_speech import AgentSpeech
from bridge.agents.openai_realtime.customer_words import CustomerWords
from bridge.agents.openai_realtime.events import ServerEvent
from bridge.agents.openai_realtime.tool_calls import ToolCalls
from bridge.agents.openai_realtime.tools import ToolBox

# Less than was heard is claimed: the server's own count lags, and refuses to truncate beyond what it has counted.
TRUNCATE_MARGIN_MS: Final = 100
# After an interruption that the server does not hear as speech, the model is asked to go on.
RESUME_AFTER_MS: Final = 2_000
# A response that was asked for and did not begin is asked for once more.
UNANSWERED_MS: Final = 10_000
KEYS_PAUSE_MS: Final = 1_500
MAX_KEYS: Final = 32
CHECK_EVERY_MS: Final = 200
MAX_UNKNOWN_TYPES: Final = 50

# Codes of errors after which a new session fails as well; those after which it may do.
HOPELESS: Final = frozenset({"insufficient_quota", "invalid_api_key", "model_not_found", "beta_api_shape_disabled"})
PASSING: Final = frozenset({"session_expired", "rate_limit_exceeded"})
HAS_RESPONSE: Final = "conversation_already_has_active_response"


@dataclass(slots=True)
class Reaction:
    """What follows: events for the bridge, and messages for the server, each in order."""

    events: list[AgentEvent] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)


class Conversation:
    """One conversation, from the configured session on. `sample_bytes` is 2 for PCM16, 1 for G.711."""

    def __init__(self, tools: ToolBox, *, rate_hz: int, sample_bytes: int) -> None:
        # Whoever has nothing but audio may give it here: nothing else follows from that.
        self.speech = AgentSpeech(sample_bytes)
        self.usage = events.Usage()
        self.unknown_types: Counter[str] = Counter()
        self.ignored_errors: Counter[str] = Counter()
        self._bytes_per_ms = rate_hz * sample_bytes // 1000
        self._words = CustomerWords()
        self._tools = ToolCalls(tools)
        self._active = ""
        self._asked_by = ""
        self._asked_at_ms = 0.0
        self._asked = 0
        self._wants_response = False
        self._must_cancel_next = False
        self._has_retried = False
        self._opening = ""
        self._is_customer_speaking = False
        self._fed_ms = 0.0
        self._checked_at_ms = 0.0
        self._resume_at_ms: float | None = None
        self._keys = ""
        self._key_at_ms = 0.0

    def open(self, history: tuple[Said, ...], opening: str | None) -> Reaction:
        """Begin: what was said before, and the first response where the agent speaks first."""
        reaction = Reaction()
        for said in history:
            role = "assistant" if said.speaker is Speaker.AGENT else "user"
            reaction.messages.append(wire.add_message(role, said.text))
        if opening is not None:
            self._opening, self._wants_response = opening, True
        self._respond(reaction)
        return reaction

    def receive(self, event: ServerEvent) -> Reaction:
        """An event of the server."""
        reaction = Reaction()
        match event:
            case events.AudioDelta():
                reaction.events += self.speech.audio(event)
                return reaction
            case events.WordsDelta() | events.WordsFinished():
                reaction.events += self.speech.words(event)
            case events.AudioFinished(item_id=item_id):
                reaction.events += self.speech.audio_finished(item_id)
            case events.ResponseCreated(response_id=response_id):
                self._response_created(response_id, reaction)
            case events.ResponseDone():
                self._response_done(event, reaction)
            case events.FunctionCall():
                self._function_call(event, reaction)
            case events.ServerError(code=code, event_id=event_id):
                self._error(code, event_id, reaction)
            case events.Unknown(type=type_):
                if type_ in self.unknown_types or len(self.unknown_types) < MAX_UNKNOWN_TYPES:
                    self.unknown_types[type_] += 1
            case _:
                self._heard_customer(event, reaction)
        self._respond(reaction)
        return reaction

    def is_check_due(self, more_ms: float = 0.0) -> bool:
        """Whether something may follow from so much more audio."""
        return self._fed_ms + more_ms >= self._checked_at_ms + CHECK_EVERY_MS

    def count(self, duration_ms: float) -> None:
        """More of the customer's audio was sent; what may follow from it, follows from the next `fed`."""
        self._fed_ms += duration_ms

    def fed(self, duration_ms: float) -> Reaction | None:
        """More of the customer's audio was sent, which is the clock; None where nothing follows."""
        self._fed_ms += duration_ms
        if not self.is_check_due():
            return None
        self._checked_at_ms = self._fed_ms
        reaction = Reaction()
        reaction.events += self._words.overdue(self._fed_ms)
        late = self._tools.overdue(self._fed_ms)
        reaction.messages += late
        is_silent = self._resume_at_ms is not None and self._fed_ms >= self._resume_at_ms
        if is_silent:
            self._resume_at_ms = None
        if late or is_silent:
            self._wants_response = True
        if self._asked_by and self._fed_ms >= self._asked_at_ms + UNANSWERED_MS:
            self._asked_by = ""
            self._response_failed("no_response", reaction)
        if self._keys and self._fed_ms >= self._key_at_ms + KEYS_PAUSE_MS:
            self._pass_on_keys(reaction)
        self._respond(reaction)
        return reaction

    def key(self, digit: str) -> Reaction:
        """The customer pressed a key; keys are passed on together after a pause, or after `#`."""
        reaction = Reaction()
        self._keys += digit
        self._key_at_ms = self._fed_ms
        if digit == "#" or len(self._keys) >= MAX_KEYS:
            self._pass_on_keys(reaction)
            self._respond(reaction)
        return reaction

    def interrupt(self, item_id: str, heard_ms: int) -> Reaction:
        """The customer spoke over an item after `heard_ms` of it: nothing more of its response is wanted."""
        reaction = Reaction()
        item = self.speech.take(item_id)
        if item is None:
            return reaction
        self._cancel_active(reaction)
        self.speech.drop(item.response_id)
        if self._asked_by:
            self._must_cancel_next = True
        self._wants_response = False
        if heard_ms > 0:
            received_ms = item.received_bytes // self._bytes_per_ms
            audio_end_ms = max(1, min(heard_ms, received_ms) - TRUNCATE_MARGIN_MS)
            reaction.messages.append(wire.truncate_item(item_id, audio_end_ms))
        else:
            reaction.messages.append(wire.delete_item(item_id))
        if not self._is_customer_speaking:
            self._resume_at_ms = self._fed_ms + RESUME_AFTER_MS
        return reaction

    def played(self, item_id: str) -> None:
        """An item was heard to its end."""
        self.speech.take(item_id)

    def tool_result(self, call_id: str, result: Mapping[str, Any]) -> Reaction:
        """What came of a tool call. The model speaks on, unless it parts."""
        reaction = Reaction()
        answer = self._tools.result(call_id, result)
        if answer is not None:
            reaction.messages.append(answer)
            self._wants_response = True
            self._respond(reaction)
        return reaction

    def rest(self) -> list[Transcript]:
        """Words that still wait for earlier ones, when nothing more will come."""
        return self._words.rest()

    def _response_created(self, response_id: str, reaction: Reaction) -> None:
        self._active, self._asked_by = response_id, ""
        if self._must_cancel_next or self._tools.is_parting:
            self._must_cancel_next = False
            self._cancel_active(reaction)
            return
        # What is answered is everything said and done so far.
        self._wants_response, self._resume_at_ms = False, None

    def _response_done(self, event: events.ResponseDone, reaction: Reaction) -> None:
        self.usage += event.usage
        self._active = ""
        was_cut = self.speech.is_dropped(event.response_id) or event.status in ("cancelled", "failed")
        partings, answers = self._tools.response_done(event.response_id, self._fed_ms, was_cut=was_cut)
        reaction.messages += [wire.delete_item(item_id) for item_id in self.speech.take_unwanted(event.response_id)]
        reaction.messages += answers
        reaction.events += [*self.speech.response_finished(event.response_id), *partings]
        if event.status == "failed":
            self._response_failed(event.error_code, reaction)
        else:
            self._has_retried, self._opening = False, ""

    def _response_failed(self, code: str, reaction: Reaction) -> None:
        if code in HOPELESS or code in PASSING or self._has_retried:
            reaction.events.append(Failed(code or "response_failed", code not in HOPELESS))
            return
        self._has_retried = self._wants_response = True

    def _function_call(self, event: events.FunctionCall, reaction: Reaction) -> None:
        if self.speech.is_dropped(event.response_id):
            # It is answered when its response is done.
            event = events.FunctionCall(event.response_id, event.call_id, event.name, None)
        wish, answer = self._tools.seen(event, self._fed_ms)
        if wish is not None:
            reaction.events.append(wish)
        if answer is not None:
            reaction.messages.append(answer)
            self._wants_response = True

    def _error(self, code: str, event_id: str, reaction: Reaction) -> None:
        if code in HOPELESS or code in PASSING:
            reaction.events.append(Failed(code, code not in HOPELESS))
            return
        self.ignored_errors[code] += 1
        if code == HAS_RESPONSE:
            # It is asked for again when the other one is done.
            self._wants_response, self._asked_by = True, ""
            self._active = self._active or HAS_RESPONSE
        elif self._asked_by and (event_id == self._asked_by or (not event_id and code == "server_error")):
            self._asked_by = ""
            self._response_failed(code, reaction)

    def _heard_customer(self, event: ServerEvent, reaction: Reaction) -> None:
        match event:
            case events.SpeechStarted(item_id=item_id, at_ms=at_ms):
                self._is_customer_speaking, self._resume_at_ms = True, None
                self._words.started(item_id, at_ms)
                reaction.events.append(UserSpeech(is_speaking=True, at_ms=at_ms))
            case events.SpeechStopped(item_id=item_id, at_ms=at_ms):
                self._is_customer_speaking = False
                self._words.stopped(item_id, at_ms)
                reaction.events.append(UserSpeech(is_speaking=False, at_ms=at_ms))
            case events.AudioCommitted(item_id=item_id, previous_item_id=previous):
                self._must_cancel_next = False
                reaction.events += self._words.announced(item_id, previous, has_speech=True)
            case events.ItemAdded(item_id=item_id, previous_item_id=previous):
                reaction.events += self._words.announced(item_id, previous, has_speech=False)
            case events.CustomerTranscribed(item_id=item_id, text=text):
                reaction.events += self._words.transcribed(item_id, text, self._fed_ms)

    def _pass_on_keys(self, reaction: Reaction) -> None:
        keys, self._keys = " ".join(self._keys), ""
        at_ms = round(self._key_at_ms)
        reaction.messages.append(wire.add_message("user", f"[The customer pressed on the telephone: {keys}]"))
        reaction.events.append(
            Transcript(Speaker.CUSTOMER, f"key-{at_ms}", f"[key {keys}]", start_ms=at_ms, end_ms=at_ms)
        )
        self._wants_response = True

    def _cancel_active(self, reaction: Reaction) -> None:
        if self._active and not self.speech.is_dropped(self._active):
            self.speech.drop(self._active)
            reaction.messages.append(wire.cancel_response(self._active))

    def _respond(self, reaction: Reaction) -> None:
        """Ask for a response where one is wanted and may be asked for."""
        is_customers_turn = self._is_customer_speaking or self._resume_at_ms is not None
        is_busy = self._active or self._asked_by or is_customers_turn
        if not self._wants_response or is_busy or self._tools.are_pending or self._tools.is_parting:
            return
        self._asked += 1
        self._asked_at_ms = self._fed_ms
        self._asked_by, self._wants_response = f"respond-{self._asked}", False
        reaction.messages.append(wire.create_response(self._asked_by, self._opening))
