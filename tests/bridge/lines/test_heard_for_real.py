"""The truth about what was heard once more, over real sockets and real time, all vendors at once."""

from __future__ import annotations

import asyncio

import pytest

from campaigns.models import TranscriptTurn
from tests.bridge.lines.callee import Callee
from tests.bridge.lines.conftest import let_in
from tests.bridge.lines.machine import Machine
from tests.bridge.lines.vendors import VENDORS, Vendor
from tests.bridge.serving import Serving, rows
from tests.bridge.session.fakes import vowel
from tests.factories import make_agent
from tests.fake_realtime import KEY, FakeSession, fake_realtime

pytestmark = pytest.mark.django_db(transaction=True)

# Words of 10 ms each, so that the transcript tells how much was heard.
WORDS = "x " * 800
SPEECH_MS = 8_000
MS_PER_LETTER = SPEECH_MS / len(WORDS)
LEVEL = 4_096
MAX_ERROR_MS = 150
# The vendor's buffer; the link is a loopback.
DELAY_MS = 60
# Beside what is promised, for the loop that all of this shares.
SLACK_MS = 60
# From the first sample of the voice to silence: a packet, the onset and, without a flush, the lead and the buffer.
SILENT_AFTER_MS = {"psr": 20 + 120 + 200 + DELAY_MS, "livecall": 20 + 120 + 200 + DELAY_MS}
SILENT_AFTER_A_FLUSH_MS = 20 + 120 + 60


async def counts(session: FakeSession) -> None:
    await session.asked()
    await session.say("count", WORDS, SPEECH_MS)


async def interrupts(callee: Callee) -> None:
    await callee.hear(1_500)
    await callee.say(vowel(400))
    await asyncio.sleep(0.6)
    await callee.leave()


def written(call_ids: list) -> dict[str, str]:
    """The words that count as heard, by the vendor's call id."""
    turns = TranscriptTurn.objects.filter(call__in=call_ids, is_interrupted=True)
    return dict(turns.values_list("call__vendor_call_id", "heard_text"))


async def test_transcripts_tell_what_was_heard_and_agents_fall_silent(serving: Serving, settings):
    def let_all_in() -> dict[type[Vendor], str]:
        agent = make_agent("Counter", kind="openai_realtime", config={"instructions": "Count."})
        return {make: let_in(make.protocol, agent) for make in VENDORS}

    callees: dict[str, Callee] = {}
    machine = Machine()
    async with fake_realtime(counts) as realtime, serving() as bridge:
        settings.OPENAI_REALTIME_URL, settings.OPENAI_API_KEY = realtime.url, KEY
        secrets = await rows(let_all_in)

        async def call(vendor: Vendor, secret: str) -> None:
            async with bridge.connect(vendor.path(secret)) as socket:
                callees[f"{vendor.protocol}-1"] = callee = Callee(vendor, socket, delay_ms=DELAY_MS)
                await callee.speak_and_hear(interrupts)

        async with asyncio.TaskGroup() as watching:
            watch = watching.create_task(machine.watch())
            async with asyncio.TaskGroup() as group:
                for make, secret in secrets.items():
                    group.create_task(call(make(f"{make.protocol}-1"), secret))
            watch.cancel()
        await bridge.settled()
        told = await rows(written, [call_id for call_id, _ in bridge.desk.ends])
    assert told.keys() == callees.keys()
    for name, callee in callees.items():
        denied_ms = machine.denied_ms(callee.loop_time_s(0), callee.loop_time_s(callee.ear.ends_ms))
        heard_ms = callee.ear.heard_ms_at_level(LEVEL, callee.now_ms)
        assert abs(len(told[name]) * MS_PER_LETTER - heard_ms) <= MAX_ERROR_MS + denied_ms, name
        silent_after_ms = callee.ear.ends_ms - callee.onset_ms
        promised_ms = SILENT_AFTER_MS.get(callee.vendor.protocol, SILENT_AFTER_A_FLUSH_MS)
        print(f"{name}: {silent_after_ms:.0f} ms, heard {heard_ms:.0f}, told {len(told[name]) * MS_PER_LETTER:.0f}")
        assert silent_after_ms <= promised_ms + SLACK_MS + denied_ms, name
