"""What happens when a number is dialed: one table from the last two digits of the destination to a behaviour."""

from __future__ import annotations

from telephony.simulator.behaviours import (
    Arrival,
    Behaviour,
    Ending,
    Noise,
    Persona,
    Pickup,
    Placing,
    Reply,
    Row,
    Streaming,
)

ALL_YES = Persona(replies=("yes", "yes", "yes", "yes", "no_thanks"))
SILENT = Persona(asks_after_ms=None, gives_up_after_ms=40_000)
VOICEMAIL = Persona(
    opening=("voicemail_greeting", "beep"), asks_after_ms=None, gives_up_after_ms=60_000, hangs_up_after_ms=45_000
)


def _refused(status: int, *, is_placed: bool = False) -> Placing:
    return Placing(reply=Reply.REFUSED, status=status, is_placed=is_placed)


PEOPLE: tuple[Row, ...] = (
    Row(0, 9, Behaviour("all_yes", "takes the survey and says yes to everything", persona=ALL_YES)),
    Row(
        10,
        17,
        Behaviour(
            "mixed_answers",
            "takes the survey; yes, no, maybe",
            persona=Persona(replies=("yes_please", "yes", "no", "maybe", "no")),
        ),
    ),
    Row(
        18,
        22,
        Behaviour(
            "all_no", "takes the survey and is unhappy", persona=Persona(replies=("yes", "no", "no", "no", "no_thanks"))
        ),
    ),
    Row(23, 26, Behaviour("no_time", "has no minute to spare", persona=Persona(replies=("no_thanks",)))),
    Row(
        27,
        30,
        Behaviour(
            "slow_talker",
            "thinks more than a second before each answer",
            persona=Persona(replies=("yes_please", "yes", "yes", "maybe", "no"), pause_ms=700, reaction_ms=1200),
        ),
    ),
    Row(
        31,
        33,
        Behaviour(
            "mumbles",
            "cannot be understood at the first and third prompt and must be asked again",
            persona=Persona(replies=("mumble", "yes", "mumble", "yes", "no", "maybe", "no")),
        ),
    ),
    Row(
        34,
        36,
        Behaviour(
            "asks_who",
            "asks who is calling, then takes the survey",
            persona=Persona(replies=("who_is_this", "yes", "yes", "no", "yes", "no")),
        ),
    ),
    Row(37, 38, Behaviour("call_back", "asks to be called back", persona=Persona(replies=("call_me_back",)))),
    Row(39, 40, Behaviour("not_interested", "is not interested", persona=Persona(replies=("not_interested",)))),
    Row(
        41,
        42,
        Behaviour("stop_calling", "asks never to be called again", persona=Persona(replies=("stop_calling_me",))),
    ),
    Row(43, 43, Behaviour("remove_me", "asks to be removed from the list", persona=Persona(replies=("remove_me",)))),
    Row(
        44,
        46,
        Behaviour(
            "wants_person",
            "takes the survey and accepts to be transferred to a person",
            persona=Persona(replies=("yes", "no", "no", "maybe", "yes_please")),
        ),
    ),
    Row(
        47,
        47,
        Behaviour(
            "asks_for_person", "asks for a person at the first prompt", persona=Persona(replies=("speak_to_a_person",))
        ),
    ),
    Row(
        48,
        49,
        Behaviour(
            "barges_in",
            "speaks over the first prompt, then takes the survey",
            persona=Persona(replies=("yes", "yes", "no", "yes", "no"), barges_into=1, barge_ms=2500),
        ),
    ),
    Row(
        50,
        50,
        Behaviour(
            "greets_first",
            "says hello on answering, then takes the survey",
            persona=Persona(opening=("hello",), replies=ALL_YES.replies),
        ),
    ),
    Row(51, 51, Behaviour("silent", "answers and says nothing, only line noise", persona=SILENT)),
    Row(52, 53, Behaviour("hangs_up_early", "hangs up 2 s after answering", persona=Persona(hangs_up_after_ms=2000))),
    Row(
        54,
        54,
        Behaviour(
            "hangs_up_mid_question",
            "answers the first prompt and hangs up in the middle of the second",
            persona=Persona(replies=("yes",), leaves_during=2),
        ),
    ),
    Row(
        55,
        63,
        Behaviour("no_answer", "rings and is not answered; no socket", streaming=Streaming(pickup=Pickup.NO_ANSWER)),
    ),
    Row(64, 69, Behaviour("busy", "is busy; no socket", streaming=Streaming(pickup=Pickup.BUSY))),
    Row(70, 74, Behaviour("voicemail", "a machine: a long greeting, a beep, then it listens", persona=VOICEMAIL)),
)

FAULTS: tuple[Row, ...] = (
    Row(75, 75, Behaviour("invalid_number", "HTTP 400, the number does not exist; nothing placed", _refused(400))),
    Row(76, 76, Behaviour("unknown_number", "HTTP 404; nothing placed", _refused(404))),
    Row(77, 77, Behaviour("overloaded", "HTTP 503; nothing placed", _refused(503))),
    Row(78, 78, Behaviour("redirects", "HTTP 302 to elsewhere; nothing placed", _refused(302))),
    Row(79, 79, Behaviour("unauthorized", "HTTP 401 whatever the token; nothing placed", _refused(401))),
    Row(
        80,
        80,
        Behaviour(
            "throttled",
            "HTTP 429 with Retry-After the first time this number is dialed, then as all_yes",
            Placing(reply=Reply.THROTTLED_ONCE),
            persona=ALL_YES,
        ),
    ),
    Row(
        81,
        81,
        Behaviour(
            "error_after_placing",
            "HTTP 500, but the call is placed and talks",
            _refused(500, is_placed=True),
            persona=ALL_YES,
        ),
    ),
    Row(82, 82, Behaviour("error", "HTTP 500; nothing placed", _refused(500))),
    Row(
        83,
        83,
        Behaviour(
            "slow_reply",
            "the call is placed and talks; the HTTP reply comes long after",
            Placing(is_slow=True),
            persona=ALL_YES,
        ),
    ),
    Row(
        84,
        84,
        Behaviour(
            "reset_after_placing",
            "the call is placed and talks; the HTTP connection is reset without a reply",
            Placing(reply=Reply.RESET),
            persona=ALL_YES,
        ),
    ),
    Row(
        85,
        85,
        Behaviour(
            "reset",
            "the HTTP connection is reset without a reply; nothing placed",
            Placing(reply=Reply.RESET, is_placed=False),
        ),
    ),
    Row(
        86,
        86,
        Behaviour(
            "never_replies",
            "the HTTP request is never answered; nothing placed",
            Placing(reply=Reply.NEVER, is_placed=False),
        ),
    ),
    Row(
        87,
        87,
        Behaviour(
            "useless_body",
            "HTTP 200 with a body without call_id; the call is placed and talks",
            Placing(reply=Reply.USELESS_BODY),
            persona=ALL_YES,
        ),
    ),
    Row(
        88,
        88,
        Behaviour(
            "repeated_call_id",
            "the reply names the call_id of the call before, where there was one; talks",
            Placing(reply=Reply.REPEATED_CALL_ID),
            persona=ALL_YES,
        ),
    ),
    Row(
        89,
        89,
        Behaviour(
            "foreign_recording_url",
            "the reply's recording URLs point to another host; talks",
            Placing(reply=Reply.FOREIGN_RECORDING_URL),
            persona=ALL_YES,
        ),
    ),
    Row(
        90,
        90,
        Behaviour(
            "connects_first",
            "the socket is open before the HTTP reply is sent; talks",
            streaming=Streaming(arrival=Arrival.BEFORE_REPLY),
            persona=ALL_YES,
        ),
    ),
    Row(
        91,
        91,
        Behaviour(
            "late_connect",
            "the socket comes long after the answer; talks",
            streaming=Streaming(arrival=Arrival.LATE),
            persona=ALL_YES,
        ),
    ),
    Row(
        92,
        92,
        Behaviour(
            "connects_twice",
            "a second socket with the same URL follows the first; talks",
            streaming=Streaming(sockets=2),
            persona=ALL_YES,
        ),
    ),
    Row(
        93,
        93,
        Behaviour(
            "malformed",
            "sends broken messages between the good ones (JSON, base64, odd bytes, unknown event, binary)",
            streaming=Streaming(noise=Noise.MALFORMED),
            persona=ALL_YES,
        ),
    ),
    Row(
        94,
        94,
        Behaviour(
            "huge_message",
            "sends one message of 300 KiB in mid-call",
            streaming=Streaming(noise=Noise.HUGE),
            persona=ALL_YES,
        ),
    ),
    Row(
        95,
        95,
        Behaviour(
            "floods",
            "sends its audio ten times faster than real time",
            streaming=Streaming(noise=Noise.FLOOD),
            persona=Persona(asks_after_ms=None, hangs_up_after_ms=20_000),
        ),
    ),
    Row(
        96,
        96,
        Behaviour(
            "goes_dead",
            "sends no audio after 3 s and keeps the socket open",
            streaming=Streaming(noise=Noise.MUTE),
            persona=SILENT,
        ),
    ),
    Row(
        97,
        97,
        Behaviour(
            "aborts",
            "the TCP connection is cut 3 s after the answer",
            streaming=Streaming(ending=Ending.ABORTED),
            persona=Persona(hangs_up_after_ms=3000),
        ),
    ),
    Row(
        98,
        98,
        Behaviour(
            "closes_silently",
            "hangs up after the first answer; the socket closes without a `closed` event",
            streaming=Streaming(ending=Ending.WITHOUT_CLOSED),
            persona=Persona(replies=("yes",), leaves_during=2, hangs_up_after_ms=30_000),
        ),
    ),
    Row(
        99,
        99,
        Behaviour(
            "closes_twice",
            "hangs up 3 s after answering; `closed` is sent twice",
            streaming=Streaming(ending=Ending.CLOSED_TWICE),
            persona=Persona(hangs_up_after_ms=3000),
        ),
    ),
)

TABLE: tuple[Row, ...] = PEOPLE + FAULTS
_BY_CODE: dict[int, Behaviour] = {code: row.behaviour for row in TABLE for code in range(row.first, row.last + 1)}
BY_NAME: dict[str, Row] = {row.behaviour.name: row for row in TABLE}


def behaviour_for(destination: str) -> Behaviour:
    """The behaviour of a destination, by its last two digits; a destination with fewer digits counts as 00."""
    digits = [character for character in destination if character in "0123456789"]
    return _BY_CODE[int("".join(digits[-2:]))] if len(digits) > 1 else _BY_CODE[0]


def table_markdown() -> str:
    """The table as docs/reference/simulator.md shows it."""
    lines = ["| ends in | name | what happens |", "|---|---|---|"]
    lines += [f"| {row.endings} | `{row.behaviour.name}` | {row.behaviour.description} |" for row in TABLE]
    return "\n".join(lines)
