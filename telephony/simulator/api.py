"""The HTTP face: PSR's create-stream and recordings, and the simulator's own ledger and health.

Source: vendor-docs/psr-3-create-stream. The bodies of refusals are documented nowhere and are this simulator's own.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import orjson

from telephony.simulator.behaviour_table import behaviour_for
from telephony.simulator.behaviours import Arrival, Behaviour, Placing, Reply
from telephony.simulator.calls import Call, Exchange
from telephony.simulator.create_stream import CreateStream, FormError, read_create_stream, read_form
from telephony.simulator.http import Answer, Request, Reset, Response
from telephony.simulator.ledger import (
    CallRecord,
    Happened,
    redacted_parameter,
    redacted_url,
    token_digest,
    url_digest,
)

CREATE_PATH = "/psr/v1/call/stream"
RECORD_PATH = "/psr/v1/call/record/"
LEDGER_PATH = "/sim/ledger"
HEALTH_PATH = "/sim/health"

SOCKET_FIRST_DEADLINE_S = 5.0
NEVER_S = 600.0
ELSEWHERE = "http://recordings.invalid"

_SCHEMES = frozenset({"bearer", "basic"})
_RECORDING_NAME = re.compile(r"(?:full_)?[0-9a-f-]{36}\.wav")
_MESSAGES: Mapping[int, str] = {
    302: "moved",
    400: "the destination is not a valid number",
    401: "the token is not valid",
    404: "the destination does not exist",
    500: "internal error",
    503: "no capacity",
}


class Api:
    """Answers requests; `start` is given each placed call to run it."""

    def __init__(self, exchange: Exchange, base_url: str, start: Callable[[Call], None]) -> None:
        self._exchange = exchange
        self._base_url = base_url
        self._start = start
        self._throttled: set[str] = set()

    async def answer(self, request: Request) -> Answer:
        """The answer to any request."""
        route = (request.method, request.path)
        if route == ("POST", CREATE_PATH):
            return await self._create(request)
        if request.method == "GET" and request.path.startswith(RECORD_PATH):
            return await self._recording(request)
        if route == ("GET", LEDGER_PATH):
            return _json(200, self._exchange.ledger.as_json())
        if route == ("GET", HEALTH_PATH):
            return _json(200, {"status": "ok", "open_calls": self._exchange.ledger.open_calls})
        return _refusal(404, f"no such path; create a stream with POST {CREATE_PATH}")

    async def _create(self, request: Request) -> Answer:
        if not self._is_authorized(request):
            return self._refuse(401, "give the token as Authorization: Bearer TOKEN or Basic TOKEN")
        try:
            form = read_create_stream(read_form(request.headers.get("content-type", ""), request.body))
        except FormError as error:
            return self._refuse(400, str(error), errors=error.errors)
        behaviour = behaviour_for(form.destination)
        if self._exchange.ledger.open_calls >= self._exchange.options.max_calls:
            return self._throttle(form, "too many calls at once")
        if behaviour.placing.reply is Reply.THROTTLED_ONCE and form.destination not in self._throttled:
            self._throttled.add(form.destination)
            return self._throttle(form, "too many requests")
        if not behaviour.placing.is_placed:
            return await self._do_not_place(form, behaviour.placing)
        return await self._place(form, behaviour)

    async def _do_not_place(self, form: CreateStream, placing: Placing) -> Answer:
        match placing.reply:
            case Reply.RESET:
                self._note_refusal(form, None, "reset")
                return Reset()
            case Reply.NEVER:
                self._note_refusal(form, None, "never answered")
                await self._exchange.clock.sleep(NEVER_S)
                return Reset()
            case _:
                return self._refuse(placing.status, _MESSAGES[placing.status], form)

    async def _place(self, form: CreateStream, behaviour: Behaviour) -> Answer:
        exchange = self._exchange
        previous_call_id = exchange.ledger.last_call_id()
        call = Call(exchange, str(uuid4()), form, behaviour)
        exchange.ledger.place(_record_of(call.call_id, form, behaviour, exchange), exchange.clock.moment())
        self._start(call)
        if behaviour.streaming.arrival is Arrival.BEFORE_REPLY:
            await _opened_within(call, SOCKET_FIRST_DEADLINE_S)
        if behaviour.placing.is_slow:
            await exchange.clock.sleep(exchange.options.slow_reply_s)
        answer = self._reply(call.call_id, behaviour.placing, previous_call_id)
        status = answer.status if isinstance(answer, Response) else None
        exchange.ledger.record(call.call_id, Happened.REPLIED, exchange.clock.moment(), status=status)
        return answer

    def _reply(self, call_id: str, placing: Placing, previous_call_id: str | None) -> Answer:
        match placing.reply:
            case Reply.REFUSED:
                return _refusal(placing.status, _MESSAGES[placing.status])
            case Reply.RESET:
                return Reset()
            case Reply.USELESS_BODY:
                return Response(200, b"<html><body>OK</body></html>", "text/html")
            case Reply.REPEATED_CALL_ID:
                return _json(200, _success(previous_call_id or call_id, self._base_url))
            case Reply.FOREIGN_RECORDING_URL:
                return _json(200, _success(call_id, ELSEWHERE))
            case _:
                return _json(200, _success(call_id, self._base_url))

    async def _recording(self, request: Request) -> Answer:
        if not self._is_authorized(request):
            return _refusal(401, "give the token as Authorization: Bearer TOKEN or Basic TOKEN")
        name = request.path.removeprefix(RECORD_PATH)
        path = self._exchange.recordings / name
        if not _RECORDING_NAME.fullmatch(name) or not await asyncio.to_thread(path.is_file):
            return _refusal(404, "no such recording, or its call has not ended yet")
        return Response(200, await asyncio.to_thread(path.read_bytes), "audio/wav")

    def _is_authorized(self, request: Request) -> bool:
        scheme, _, credential = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() not in _SCHEMES or not credential:
            return False
        token = self._exchange.options.token
        return token is None or hmac.compare_digest(credential.encode(), token.encode())

    def _throttle(self, form: CreateStream, message: str) -> Response:
        return self._refuse(429, message, form, headers={"Retry-After": str(self._exchange.options.throttle_s)})

    def _refuse(
        self,
        status: int,
        message: str,
        form: CreateStream | None = None,
        *,
        errors: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        self._note_refusal(form, status, message)
        if status == 302:
            headers = {"Location": f"{ELSEWHERE}{CREATE_PATH}"}
        return _refusal(status, message, errors, headers)

    def _note_refusal(self, form: CreateStream | None, status: int | None, reason: str) -> None:
        facts: dict[str, Any] = {"status": status, "reason": reason}
        if form is not None:
            facts |= {
                "destination": form.destination,
                "url_sha256": url_digest(form.url),
                "token_sha256": token_digest(form.url),
            }
        self._exchange.ledger.refuse(self._exchange.clock.moment(), **facts)


async def _opened_within(call: Call, deadline_s: float) -> None:
    """Wait for the call's socket; a server that does not let it in must not hold the reply back for ever."""
    try:
        async with asyncio.timeout(deadline_s):
            await call.first_socket_open.wait()
    except TimeoutError:
        return


def _record_of(call_id: str, form: CreateStream, behaviour: Behaviour, exchange: Exchange) -> CallRecord:
    return CallRecord(
        call_id=call_id,
        destination=form.destination,
        behaviour=behaviour.name,
        app=form.app.value,
        channel=form.channel.value,
        url=redacted_url(form.url),
        url_sha256=url_digest(form.url),
        token_sha256=token_digest(form.url),
        parameter=redacted_parameter(form.parameter, form.url),
        placed_at_ms=exchange.clock.moment().epoch_ms,
    )


def _success(call_id: str, base_url: str) -> dict[str, Any]:
    return {
        "code": "OK",
        "data": {
            "call_id": call_id,
            "full_recording_url": f"{base_url}{RECORD_PATH}full_{call_id}.wav",
            "recording_url": f"{base_url}{RECORD_PATH}{call_id}.wav",
            "status": "in-progress",
        },
        "message": "OK",
    }


def _refusal(
    status: int, message: str, errors: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    body: dict[str, Any] = {"code": f"ERROR_{status}", "message": message}
    if errors:
        body["errors"] = dict(errors)
    return _json(status, body, headers)


def _json(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, orjson.dumps(body), headers=headers or {})
