"""Vendors that bring calls of their own, on real sockets."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection

from bridge.consumers import stream
from bridge.session import Limits
from campaigns.models import Call, StreamEndpoint
from campaigns.policies import stream_keys
from campaigns.services import endpoints
from telephony.protocols.livecall import LiveCallClientCodec
from telephony.protocols.twilio import TwilioClientCodec
from telephony.protocols.ucid import UcidClientCodec
from tests.bridge.serving import Bridge, Serving, closed_with, rows
from tests.factories import NOW, make_agent

pytestmark = pytest.mark.django_db(transaction=True)

TONE = b"\x10\x10" * 80
CUSTOMER, HOTLINE = "+84901234567", "+842838123456"
UCID = "9171763700000123"


def make_endpoint(protocol: str, **fields: Any) -> tuple[StreamEndpoint, str]:
    agent = make_agent(f"Echo {protocol}", kind="echo", config={"delay_ms": 0})
    values = {"name": fields.pop("name", f"Vendor {protocol}"), "protocol": protocol, "agent": agent, **fields}
    return endpoints.create_stream_endpoint(values, now=NOW)


async def key_for(protocol: str, **fields: Any) -> str:
    _, key = await rows(partial(make_endpoint, protocol, **fields))
    return key


def calls() -> list[Call]:
    return list(Call.objects.select_related("endpoint").order_by("started_at"))


async def hear(socket: ClientConnection, messages: int = 1) -> None:
    """Wait until the agent has spoken."""
    for _ in range(messages):
        await socket.recv()


async def begin_ucid(socket: ClientConnection, vendor: UcidClientCodec) -> None:
    """Open a stream, and speak until the echo comes back."""
    await socket.send(vendor.start(did="02838123456", call_id="0901234567", x_headers={"plan": "gold"}))
    await speak(socket, vendor)


async def speak(socket: ClientConnection, vendor: UcidClientCodec) -> None:
    for _ in range(20):
        await socket.send(vendor.media(TONE))
    await hear(socket)


async def test_a_ucid_call_is_opened_answered_and_recorded(serving: Serving):
    endpoint, key = await rows(partial(make_endpoint, "ucid"))
    vendor = UcidClientCodec(UCID)
    async with serving() as bridge, bridge.connect(f"ws?token={key}") as socket:
        await begin_ucid(socket, vendor)
        await socket.send(vendor.stop(433))
        await bridge.settled()
        (call,) = await rows(calls)
    assert (call.protocol, call.vendor_call_id, call.endpoint, call.attempt_id) == ("ucid", UCID, endpoint, None)
    assert (call.customer_number, call.own_number, call.is_outbound) == (CUSTOMER, HOTLINE, False)
    assert call.parameters["plan"] == "gold"
    assert (call.agent_version, call.ended_by) == (1, "customer_hangup")


async def test_a_livecall_call_takes_the_number_from_its_path(serving: Serving):
    key = await key_for("livecall")
    client = LiveCallClientCodec("c-1", CUSTOMER)
    async with serving() as bridge, bridge.connect(f"live-call/websocket/c-1/%2B84901234567?token={key}") as socket:
        await socket.send(client.initial_info(type_call="outbound", hotline=HOTLINE))
        for _ in range(20):
            await socket.send(client.play_audio(TONE, 8_000))
        await hear(socket)
        await socket.send(client.disconnect())
        await bridge.settled()
        (call,) = await rows(calls)
    assert (call.vendor_call_id, call.customer_number, call.own_number) == ("c-1", CUSTOMER, HOTLINE)
    assert (call.is_outbound, call.ended_by) == (True, "customer_hangup")


async def test_a_key_may_travel_in_the_path(serving: Serving):
    key = await key_for("twilio")
    vendor = TwilioClientCodec("MZ1", "CA1")
    async with serving() as bridge, bridge.connect(f"twilio/{key}") as socket:
        await socket.send(vendor.connected())
        await socket.send(vendor.start({"plan": "gold"}))
        for _ in range(20):
            await socket.send(vendor.media(TONE))
        await hear(socket)
        await socket.send(vendor.stop())
        await bridge.settled()
        (call,) = await rows(calls)
    assert (call.protocol, call.vendor_call_id, call.parameters) == ("twilio", "CA1", {"plan": "gold"})


@pytest.fixture
def published(monkeypatch) -> str:
    """A token of the right form that stands in a public document."""
    token = stream_keys.new_key()
    monkeypatch.setattr(stream_keys, "PUBLISHED_DIGESTS", frozenset({stream_keys.digest(token)}))
    return token


async def test_who_has_no_business_here_is_refused_before_the_socket_opens(serving: Serving, published: str):
    open_key = await key_for("ucid")
    shut_key = await key_for("ucid", name="Shut", is_active=False)
    far_key = await key_for("ucid", name="Far", allowed_networks=["203.0.113.0/24"])
    await key_for("ucid", name="Handmade")
    near_key = await key_for("livecall", allowed_networks=["127.0.0.0/8"])
    # Even a row that somebody made by hand must not let a published token in.
    await rows(partial(_give_key, "Handmade", published))
    browser = {"origin": "https://evil.example"}
    refusals: list[tuple[str, dict[str, Any], int]] = [
        ("ws", {}, 401),
        ("ws?token=", {}, 401),
        ("ws?token=short", {}, 401),
        (f"ws?token={stream_keys.new_key()}", {}, 401),
        (f"ws?token={published}", {}, 401),
        (f"ws?token={shut_key}", {}, 401),
        (f"ws?token={near_key}", {}, 401),
        (f"ws?token={far_key}", {}, 403),
        (f"ws?token={open_key}", browser, 403),
        (f"ws?token={open_key}&token={open_key}", {}, 400),
        (f"ws?token={open_key}{'&x=1' * 64}", {}, 400),
        (f"live-call/websocket/c-1/0901?token={near_key}", {}, 400),
        (f"live-call/websocket/c-1?token={near_key}", {}, 404),
        (f"ws/else?token={open_key}", {}, 404),
        ("", {}, 404),
    ]
    async with serving() as bridge:
        told = [await bridge.refusal(path, **options) for path, options, _ in refusals]
        assert told == [status for *_, status in refusals]
        bridge.desk.capacity = 0
        assert await bridge.refusal(f"ws?token={open_key}") == 503
    assert await rows(calls) == []


def _give_key(name: str, key: str) -> None:
    StreamEndpoint.objects.filter(name=name).update(key_digest=stream_keys.digest(key))


async def test_who_brings_bad_keys_is_soon_not_heard_at_all(serving: Serving):
    key = await key_for("ucid")
    async with serving() as bridge:
        told = [await bridge.refusal(f"ws?token={stream_keys.new_key()}") for _ in range(21)]
        assert told == [401] * 20 + [429]
        assert await bridge.refusal(f"ws?token={key}") == 429


async def test_a_stream_that_never_begins_is_closed(serving: Serving, monkeypatch):
    monkeypatch.setattr(stream, "Limits", partial(Limits, first_event_s=0.05))
    key = await key_for("ucid")
    async with serving() as bridge, bridge.connect(f"ws?token={key}") as socket:
        assert await closed_with(socket) == 4408
    assert await rows(calls) == []


async def test_a_bad_start_is_answered_and_closed(serving: Serving):
    key = await key_for("ucid")
    async with serving() as bridge, bridge.connect(f"ws?token={key}") as socket:
        await socket.send('{"event":"start","type":"text","ucid":"no / good"}')
        assert await socket.recv() == '{"event":"error","code":"bad_ucid"}'
        assert await closed_with(socket) == 4400
    assert await rows(calls) == []


async def test_who_talks_nonsense_before_the_start_is_closed(serving: Serving):
    key = await key_for("ucid")
    async with serving() as bridge, bridge.connect(f"ws?token={key}") as socket:
        for _ in range(10):
            await socket.send("{")
        assert await closed_with(socket) == 4400


async def test_a_second_socket_of_a_live_call_is_refused_and_the_first_untouched(serving: Serving):
    key, vendor = await key_for("ucid"), UcidClientCodec(UCID)
    async with serving() as bridge, bridge.connect(f"ws?token={key}") as first:
        await begin_ucid(first, vendor)
        async with bridge.connect(f"ws?token={key}") as second:
            await second.send(vendor.start())
            assert await closed_with(second) == 4409
        await speak(first, vendor)
        await first.send(vendor.stop(433))
        await bridge.settled()
        assert [call.ended_by for call in await rows(calls)] == ["customer_hangup"]


async def test_a_second_socket_is_refused_at_once_where_its_path_names_the_call(serving: Serving):
    key = await key_for("livecall")
    path = f"live-call/websocket/c-1/%2B84901234567?token={key}"
    async with serving() as bridge, bridge.connect(path) as first:
        await first.send(LiveCallClientCodec("c-1", CUSTOMER).initial_info())
        await bridge.begun()
        assert await bridge.refusal(path) == 409
        await first.send(LiveCallClientCodec("c-1", CUSTOMER).disconnect())


async def test_an_id_used_by_another_process_is_refused_by_the_database(serving: Serving):
    endpoint, key = await rows(partial(make_endpoint, "ucid"))
    await rows(partial(_live_elsewhere, endpoint))
    async with serving() as bridge, bridge.connect(f"ws?token={key}") as socket:
        await socket.send(UcidClientCodec(UCID).start())
        assert await closed_with(socket) == 4409


def _live_elsewhere(endpoint: StreamEndpoint) -> None:
    Call.objects.create(
        protocol="ucid",
        vendor_call_id=UCID,
        endpoint=endpoint,
        agent=endpoint.agent,
        agent_version=1,
        started_at=NOW,
        last_seen_at=NOW,
    )


async def test_an_id_comes_again_after_its_call_and_at_another_vendor(serving: Serving):
    vendor = UcidClientCodec(UCID)
    keys = [await key_for("ucid"), await key_for("ucid", name="Other vendor")]
    async with serving() as bridge:
        for key in (*keys, keys[0]):
            async with bridge.connect(f"ws?token={key}") as socket:
                await begin_ucid(socket, vendor)
                await socket.send(vendor.stop(433))
                await bridge.settled()
        assert [call.vendor_call_id for call in await rows(calls)] == [UCID] * 3


async def test_a_lost_socket_is_replaced_once_and_the_call_goes_on(serving: Serving):
    key, vendor = await key_for("ucid"), UcidClientCodec(UCID)
    async with serving() as bridge:
        async with bridge.connect(f"ws?token={key}") as first:
            await begin_ucid(first, vendor)
            await _lose(bridge, first)
        async with bridge.connect(f"ws?token={key}") as second:
            await begin_ucid(second, vendor)
            (call,) = await rows(calls)
            assert call.ended_at is None
            second.transport.abort()
        await bridge.settled()
        assert [call.ended_by for call in await rows(calls)] == ["socket_lost"]


async def test_a_lost_socket_is_not_waited_for_for_ever(serving: Serving, settings):
    settings.RESUME_GRACE_S = 0.05
    key, vendor = await key_for("ucid"), UcidClientCodec(UCID)
    async with serving() as bridge:
        async with bridge.connect(f"ws?token={key}") as socket:
            await begin_ucid(socket, vendor)
            socket.transport.abort()
        await bridge.settled()
        assert [call.ended_by for call in await rows(calls)] == ["socket_lost"]


async def test_a_socket_that_was_closed_is_not_waited_for(serving: Serving):
    key, vendor = await key_for("ucid"), UcidClientCodec(UCID)
    async with serving() as bridge:
        async with bridge.connect(f"ws?token={key}") as socket:
            await begin_ucid(socket, vendor)
        await bridge.settled()
        assert [call.ended_by for call in await rows(calls)] == ["customer_hangup"]


async def _lose(bridge: Bridge, socket: ClientConnection) -> None:
    socket.transport.abort()
    await bridge.lost()
