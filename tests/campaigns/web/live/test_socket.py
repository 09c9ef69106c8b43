"""The socket behind a live page, spoken to as a browser does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from channels.db import database_sync_to_async
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser, User
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from campaigns.enums import CampaignState, EndedBy, Role, SpeakerKind
from campaigns.models import Call, Campaign
from campaigns.routing import websocket_urlpatterns
from campaigns.web.live import feeds as feeds_module
from campaigns.web.live import socket as socket_module
from campaigns.web.live.socket import CLOSE_GONE, CLOSE_SIGNED_OUT, CLOSE_TRY_LATER, changed_parts, feeds
from tests.factories import NOW, Line, add_turns, make_call, make_campaign, make_user
from tests.threads import database_for_threads

pytestmark = pytest.mark.django_db(transaction=True)
STEP_S = 0.02
NOBODYS_ID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(autouse=True)
def quick(monkeypatch) -> Iterator[None]:
    """Seconds pass in fiftieths, so that nobody waits."""
    monkeypatch.setattr(feeds_module, "MIN_INTERVAL_S", STEP_S)
    monkeypatch.setattr(feeds_module, "REST_PER_READING", 0.0)
    monkeypatch.setattr(socket_module, "LOOK_EVERY_S", STEP_S)
    with database_for_threads():
        yield


@pytest.fixture
def manager() -> User:
    return make_user(role=Role.MANAGER)


@pytest.fixture
def session(manager: User, client: Client) -> Any:
    client.force_login(manager)
    return client.session


class Browser:
    def __init__(self, path: str, user: User | AnonymousUser, session: Any) -> None:
        self.wire = WebsocketCommunicator(URLRouter(websocket_urlpatterns), path)
        self.wire.scope |= {"user": user, "session": session}

    async def parts(self) -> dict[str, str]:
        """The parts of the next message that brings any."""
        while True:
            message = orjson.loads(await self.wire.receive_from(timeout=5))
            if message["type"] == "parts":
                return message["parts"]

    async def close_code(self) -> int:
        while True:
            message = await self.wire.receive_output(timeout=5)
            if message["type"] == "websocket.close":
                return message["code"]


@asynccontextmanager
async def opened(path: str, user: User, session: Any) -> AsyncIterator[Browser]:
    browser = Browser(path, user, session)
    is_accepted, _ = await browser.wire.connect(timeout=5)
    assert is_accepted
    yield browser
    await browser.wire.disconnect()
    assert feeds.subscribers == 0


async def test_strangers_are_refused_before_the_socket_opens():
    assert await Browser("overview", AnonymousUser(), None).wire.connect() == (False, CLOSE_SIGNED_OUT)


async def test_no_more_sockets_than_the_process_can_feed(manager, session, monkeypatch):
    monkeypatch.setattr(socket_module, "MAX_SOCKETS", 0)

    assert await Browser("overview", manager, session).wire.connect() == (False, CLOSE_TRY_LATER)


async def test_a_page_gets_everything_at_first_and_then_only_what_changes(manager, session):
    campaign = await database_sync_to_async(make_campaign)("Autumn")
    async with opened(f"campaigns/{campaign.pk}", manager, session) as browser:
        first = await browser.parts()
        assert "Running" in first["campaign_state"]
        assert set(first) >= {"campaign_tiles", "campaign_progress", "live_calls", "blockers", "campaign_events"}

        await database_sync_to_async(Campaign.objects.filter(pk=campaign.pk).update)(state=CampaignState.PAUSED)
        changed = await browser.parts()
        assert "Paused" in changed["campaign_state"]
        assert "campaign_tiles" not in changed


async def test_new_turns_of_a_live_call_arrive_alone(manager, session):
    call = await database_sync_to_async(make_call)(duration_s=None, lines=())
    async with opened(f"calls/{call.pk}", manager, session) as browser:
        assert set(await browser.parts()) == {"call_state"}

        await database_sync_to_async(add_turns)(call, [Line(SpeakerKind.CUSTOMER, "Hello & who is <this>?", 100, 900)])
        turn = await browser.parts()
        assert set(turn) == {"turn-1"}
        assert "Hello &amp; who is &lt;this&gt;?" in turn["turn-1"]

        end = database_sync_to_async(Call.objects.filter(pk=call.pk).update)
        await end(ended_at=NOW, ended_by=EndedBy.CUSTOMER_HANGUP)
        ended = await browser.parts()
        assert set(ended) == {"call_state"}
        assert "Customer hung up" in ended["call_state"]


async def test_two_kinds_of_people_see_numbers_each_in_their_way(manager, session):
    call = await database_sync_to_async(make_call)(duration_s=None)
    supervisor = await database_sync_to_async(make_user)("sam", role=Role.SUPERVISOR)
    assert call.attempt is not None
    number = call.attempt.phone_number
    async with opened("overview", manager, session) as full:
        assert number in (await full.parts())["live_calls"]
    async with opened("overview", supervisor, session) as masked:
        shown = (await masked.parts())["live_calls"]
    assert number not in shown
    assert f"{number[:3]}•••••{number[-3:]}" in shown


@pytest.mark.parametrize("path", ["campaigns/999", f"calls/{NOBODYS_ID}"])
async def test_a_page_of_nothing_is_closed(manager, session, path):
    browser = Browser(path, manager, session)
    await browser.wire.connect(timeout=5)

    assert await browser.close_code() == CLOSE_GONE


async def test_a_beat_tells_that_the_page_is_alive(manager, session, monkeypatch):
    monkeypatch.setattr(socket_module, "BEAT_EVERY_S", STEP_S)
    async with opened("overview", manager, session) as browser:
        await browser.parts()
        beat = orjson.loads(await browser.wire.receive_from(timeout=5))
    assert beat["type"] == "beat"


@pytest.mark.parametrize("loss", ["signed_out", "disabled", "password", "rights"])
async def test_who_loses_the_right_to_look_is_closed_out(manager, session, monkeypatch, loss):
    monkeypatch.setattr(socket_module, "SESSION_CHECK_EVERY_S", STEP_S)

    def lose() -> None:
        if loss == "signed_out":
            session.flush()
        elif loss == "disabled":
            User.objects.filter(pk=manager.pk).update(is_active=False)
        elif loss == "password":
            manager.set_password("another long pass phrase")
            manager.save()
        else:
            manager.groups.clear()

    browser = Browser("overview", manager, session)
    await browser.wire.connect(timeout=5)
    await browser.parts()
    await database_sync_to_async(lose)()

    assert await browser.close_code() == CLOSE_SIGNED_OUT


async def test_whatever_a_page_sends_is_ignored(manager, session):
    async with opened("overview", manager, session) as browser:
        await browser.wire.send_to(text_data="{}")
        await browser.wire.send_to(bytes_data=b"\x00")
        assert "overview_tiles" in await browser.parts()


texts = st.text(max_size=40)


@given(st.dictionaries(texts, texts, max_size=12), st.dictionaries(texts, texts, max_size=12), st.integers(120, 600))
def test_changed_parts_fit_and_end_up_complete(before, after, limit):
    sent = dict(before)
    for _ in range(len(after) + 1):
        changed = changed_parts(sent, after, limit_bytes=limit)
        assert len(socket_module._encode({"type": "parts", "parts": changed})) <= limit
        assert all(sent.get(name) != html for name, html in changed.items())
        sent |= changed
    room = limit - len(socket_module._encode({"type": "parts", "parts": {}}))
    for name, html in after.items():
        assert sent.get(name) == html or len(orjson.dumps({name: html})) > room
