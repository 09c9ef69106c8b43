"""The server that is measured: the product's own process on the first core, with calls waiting for their sockets.

    python -m benchmarks.bridge.serving KIND CALLS

prints one path per call, those of ucid vendors and LiveCall clients, and then `ready URL`. What differs from
`manage.py runbridge` is one route, `/echo`, and for some kinds the server or its way of giving frames. Run it with
settings of its own (see `load.serving`).
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from typing import Any

from benchmarks.bridge.load import Kind


def main(kind: Kind, calls: int) -> None:
    """Make the database, the calls and the server; runs until it is ended."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    # The application sets Django up.
    from django.core.management import call_command

    from config.asgi import application

    call_command("migrate", verbosity=0)
    for path in waiting_calls(calls):
        print(path)
    for path in stream_paths():
        print(path)
    routed = with_echo(application)
    if kind is Kind.DAPHNE:
        _run_daphne(routed)
    else:
        _run_uvicorn(routed, kind)


def waiting_calls(count: int) -> list[str]:
    """Attempts that PSR was asked for, each with an agent of OpenAI's kind; the paths of their sockets."""
    from django.utils import timezone

    from campaigns.models import CallAttempt, Contact, Customer
    from campaigns.policies import call_tokens
    from campaigns.services.attempts import token_keys
    from tests.factories import make_agent, make_attempt, make_campaign

    now = timezone.now()
    agent = make_agent(name="Benchmark", kind="openai_realtime", config={"instructions": "Talk."})
    campaign = make_campaign(agent=agent)
    customers = Customer.objects.bulk_create(
        [Customer(phone_number=f"+8491{number:07}", timezone="UTC", attributes={}) for number in range(count)]
    )
    contacts = Contact.objects.bulk_create(
        [
            Contact(campaign=campaign, customer=customer, phone_number=customer.phone_number, next_attempt_at=now)
            for customer in customers
        ]
    )
    paths = []
    for contact in contacts:
        attempt: CallAttempt = make_attempt(
            contact, at=now - timedelta(seconds=5), number=1, deadline_at=now + timedelta(hours=2)
        )
        claims = call_tokens.CallTokenClaims(attempt.id, contact.id, 1, now + timedelta(hours=2))
        token = call_tokens.mint(claims, keys=token_keys())
        attempt.token_digest = call_tokens.digest(token)
        attempt.save(update_fields=["token_digest"])
        paths.append(f"/psr/{token}?call_id=bench-{contact.id}&tenant=bench")
    return paths


def stream_paths() -> list[str]:
    """The paths by which ucid vendors and LiveCall clients bring calls to the same agent; `CALL` is a call's name."""
    from django.utils import timezone

    from campaigns.services.endpoints import create_stream_endpoint
    from tests.factories import make_agent

    def key(protocol: str) -> str:
        values = {"name": protocol, "protocol": protocol, "agent": make_agent(name="Benchmark")}
        return create_stream_endpoint(values, now=timezone.now())[1]

    return [
        f"/ws?token={key('ucid')}",
        f"/live-call/websocket/CALL/%2B84912345678?token={key('livecall')}",
    ]


def with_echo(application: Any) -> Any:
    """The application, and `/echo`, which sends every frame back: what a WebSocket costs on the same server."""
    from bridge.consumers.leg import leg_of

    async def routed(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket" or scope["path"] != "/echo":
            await application(scope, receive, send)
            return
        await receive()
        leg = leg_of(scope, receive, send)
        await send({"type": "websocket.accept"})
        while (message := await leg.receive()) is not None:
            await leg.send(message)

    return routed


def _run_uvicorn(application: Any, kind: Kind) -> None:
    from bridge.server import run
    from bridge.server.sockets import CallSocketProtocol

    sockets = CallSocketProtocol if kind is Kind.DIRECT else "websockets-sansio"
    run("127.0.0.1", 0, _tell, application=application, sockets=sockets)


def _run_daphne(application: Any) -> None:
    """Daphne knows no drain and no desk beside it: what its calls say is not written."""
    from daphne.server import Server

    def tell() -> None:
        _tell(f"http://127.0.0.1:{server.listening_addresses[0][1]}")

    server: Any = Server(application, endpoints=["tcp:port=0:interface=127.0.0.1"], ready_callable=tell)
    server.run()


def _tell(url: str) -> None:
    print(f"ready {url}", flush=True)


if __name__ == "__main__":
    main(Kind(sys.argv[1]), int(sys.argv[2]))
