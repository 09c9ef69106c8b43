"""A call that was opened is finished, whatever breaks before its conversation begins or after it has ended."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID

import pytest

from bridge.calls import CallDesk, LiveEntry
from bridge.consumers import carry as carry_module
from bridge.consumers.carry import carry
from bridge.consumers.resume import ResumableLeg
from bridge.session import CallSummary, EndedBy, Hear, listen_by
from campaigns.services.calls import OpenedCall
from telephony.protocols.events import VendorCodec, WireMessage
from telephony.protocols.ucid import UcidServerCodec
from tests.bridge.calls.test_requests import AwayDatabase
from tests.bridge.serving import until

CALL = UUID(int=7)
OPENED = OpenedCall(CALL, "echo", {}, {}, {}, max_call_s=60)


class Socket:
    """A vendor's socket on which nothing is ever said."""

    close_code: int | None = None

    async def receive(self) -> WireMessage | None:
        await asyncio.Event().wait()
        return None

    async def listen(self, hear: Hear) -> None:
        await listen_by(self.receive, hear)

    def send_now(self, message: WireMessage) -> bool:
        return True

    async def send(self, message: WireMessage) -> None:
        return None

    async def close(self, code: int) -> None:
        self.close_code = self.close_code or code


class Desk(CallDesk):
    """Remembers the ends it is told, once it has been let."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(name="node-1", capacity=1, data_dir=data_dir, database=AwayDatabase())
        self.ends: list[EndedBy] = []
        self.is_free = asyncio.Event()

    async def finish(self, call_id: UUID, summary: CallSummary, recording: Path | None) -> None:
        await self.is_free.wait()
        self._live.pop(call_id, None)
        self.ends.append(summary.ended_by)


def no_codec() -> VendorCodec:
    raise RuntimeError("a setting that nobody checked")


@pytest.mark.parametrize("breaks", ["codec", "agent", "brief"])
async def test_a_call_whose_parts_cannot_be_made_is_ended(tmp_path, settings, monkeypatch, breaks: str) -> None:
    settings.RECORD_CALLS = False
    desk, socket = Desk(tmp_path), Socket()
    desk.is_free.set()
    entry = desk.take_in(OPENED)

    def broken(*_: object) -> None:
        raise RuntimeError("a configuration that nobody checked")

    if breaks != "codec":
        monkeypatch.setattr(carry_module, {"agent": "agent_of", "brief": "brief_of"}[breaks], broken)

    async def connect() -> ResumableLeg:
        return ResumableLeg(socket, grace_s=0)

    await carry(desk, OPENED, entry, no_codec if breaks == "codec" else UcidServerCodec, "key", connect)

    assert (desk.ends, desk.live_calls, socket.close_code) == ([EndedBy.BRIDGE_ERROR], 0, 1011)
    await desk.close()


async def test_a_call_that_is_cancelled_twice_is_ended(tmp_path, settings) -> None:
    """As when the process may wait no longer: its server cancels, and then its loop."""
    settings.RECORD_CALLS = True
    desk, socket = Desk(tmp_path), Socket()
    entry = LiveEntry(CALL)
    has_come = asyncio.Event()

    async def connect() -> ResumableLeg:
        has_come.set()
        return ResumableLeg(socket, grace_s=0)

    carrying = asyncio.get_running_loop().create_task(carry(desk, OPENED, entry, UcidServerCodec, "key", connect))
    await has_come.wait()
    while not carrying.done():
        carrying.cancel()
        await asyncio.sleep(0)
    desk.is_free.set()
    async with asyncio.timeout(5):
        await until(lambda: bool(desk.ends))

    assert len(desk.ends) == 1
    await desk.close()
