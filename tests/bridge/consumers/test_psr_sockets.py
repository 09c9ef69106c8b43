"""PSR's sockets, on a real server: one a call, and another where the first was lost."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from websockets.asyncio.client import ClientConnection

from campaigns.models import Call, Trunk
from campaigns.policies import call_tokens
from campaigns.services.attempts import token_keys
from telephony.protocols.psr import PsrClientCodec
from tests.bridge.serving import Serving, rows
from tests.factories import make_agent, make_attempt, make_campaign, make_contact

pytestmark = pytest.mark.django_db(transaction=True)

TONE = b"\x10\x10" * 160


def make_token() -> str:
    """The token PSR was given for an attempt that waits for its socket."""
    now = timezone.now()
    campaign = make_campaign(agent=make_agent("Echo", kind="echo", config={"delay_ms": 0}))
    attempt = make_attempt(
        make_contact(campaign), at=now - timedelta(seconds=5), deadline_at=now + timedelta(minutes=1)
    )
    assert attempt.number is not None
    claims = call_tokens.CallTokenClaims(attempt.id, attempt.contact_id, attempt.number, now + timedelta(minutes=5))
    token = call_tokens.mint(claims, keys=token_keys())
    attempt.token_digest = call_tokens.digest(token)
    attempt.save()
    return token


def the_call() -> Call:
    return Call.objects.get()


async def speak(socket: ClientConnection) -> None:
    """Say something, and wait for the echo."""
    codec = PsrClientCodec("psr-1")
    for number in range(10):
        await socket.send(codec.media(number * 20, TONE))
    await socket.recv()


async def test_a_second_socket_is_refused_while_the_first_lives_and_after_the_call(serving: Serving):
    path = f"psr/{await rows(make_token)}?call_id=psr-1&tenant=acme"
    async with serving() as bridge:
        async with bridge.connect(path) as socket:
            await speak(socket)
            assert await bridge.refusal(path) == 409
            await speak(socket)
        await bridge.settled()
        call = await rows(the_call)
        assert (call.ended_by, call.customer_number[:4]) == ("customer_hangup", "+849")
        assert await bridge.refusal(path) == 410


async def test_a_lost_socket_is_replaced_by_one_of_the_same_call_alone(serving: Serving):
    token = await rows(make_token)
    await rows(lambda: Trunk.objects.update(allowed_networks=["127.0.0.1/32"]))
    path = f"psr/{token}?call_id=psr-1&tenant=acme"
    async with serving() as bridge:
        async with bridge.connect(path) as first:
            await speak(first)
            first.transport.abort()
            await bridge.lost()
        assert await bridge.refusal(f"psr/{token}?call_id=psr-2&tenant=acme") == 409
        assert await bridge.refusal(f"psr/{token}?call_id=psr-1&tenant=other") == 409
        async with bridge.connect(path) as second:
            await speak(second)
            assert (await rows(the_call)).ended_at is None
        await bridge.settled()
        assert (await rows(the_call)).ended_by == "customer_hangup"


async def test_a_lost_socket_is_not_replaced_from_elsewhere(serving: Serving):
    token = await rows(make_token)
    await rows(lambda: Trunk.objects.update(allowed_networks=["203.0.113.0/24"]))
    async with serving() as bridge:
        assert await bridge.refusal(f"psr/{token}?call_id=psr-1") == 403


async def test_the_tenant_is_the_trunks_where_it_names_one(serving: Serving):
    token = await rows(make_token)
    await rows(lambda: Trunk.objects.update(tenant="acme"))
    async with serving() as bridge:
        assert await bridge.refusal(f"psr/{token}?call_id=psr-1&tenant=other") == 403
        async with bridge.connect(f"psr/{token}?call_id=psr-1&tenant=acme") as socket:
            await speak(socket)
