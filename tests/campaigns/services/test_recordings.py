"""The switch's recording: fetched from the trunk's own host only, and asked for until it is there or a day is over."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.enums import ContactState, ResultStep, StepState
from campaigns.models import Call, CallStep, Trunk
from campaigns.services import calls, steps
from campaigns.services.calls import CallEnd
from campaigns.services.recordings import recording_file
from telephony.protocols.wav import build_wav
from tests.factories import NOW, make_attempt, make_call, make_campaign, make_contact, make_trunk
from tests.telephony.psr.scripted_server import answering

END = NOW + timedelta(seconds=42)
WAV = build_wav(bytes(3200), 8000)


def ended_call(base_url, **fields):
    trunk = make_trunk(base_url=base_url)
    contact = make_contact(make_campaign(trunk=trunk), state=ContactState.DIALING)
    attempt = make_attempt(contact, state="in_call", answered_at=NOW, **{"switch_call_id": "psr-1", **fields})
    call = make_call(attempt, duration_s=None, started_at=NOW)
    calls.finish_call(call_id=call.id, end=CallEnd("customer_hangup"), now=END)
    return call


def fetch(call, now=END):
    state = steps.run_step(call_id=call.id, step=ResultStep.RECORDING, now=now)
    return state, CallStep.objects.get(call=call, step=ResultStep.RECORDING)


@pytest.mark.django_db
def test_recording_is_fetched_with_the_trunks_token(data_dir):
    with answering("200 OK", WAV) as switch:
        call = ended_call(switch.base_url)
        state, row = fetch(call)

    call.refresh_from_db()
    assert state == StepState.DONE
    assert call.switch_recording_path == f"recordings/switch/2026/11/{call.id}.wav"
    assert (data_dir / call.switch_recording_path).read_bytes() == WAV
    assert row.result["size_bytes"] == len(WAV)
    request = switch.requests[0]
    assert request.startswith(b"GET /psr/v1/call/record/psr-1.wav HTTP/1.1\r\n")
    assert b"Authorization: Bearer trunk-token\r\n" in request


@pytest.mark.django_db
def test_recording_that_is_not_there_yet_is_asked_for_ever_more_slowly_for_a_day():
    with answering("404 Not Found") as switch:
        call = ended_call(switch.base_url)
        now, waits = END, []
        state, row = fetch(call)
        while state == StepState.PENDING:
            waits.append((row.run_at - now).total_seconds())
            now = row.run_at
            state, row = fetch(call, now)

    assert waits[:5] == [10, 20, 40, 80, 160]
    assert sum(waits) == 24 * 3600
    assert (state, row.tries, row.error) == (StepState.DEAD, 1, "not_ready for a day")
    assert len(switch.requests) == len(waits) + 1


@pytest.mark.django_db
def test_half_a_recording_is_not_kept(data_dir):
    with answering("200 OK", WAV[:1000]) as switch:
        state, row = fetch(ended_call(switch.base_url))

    assert (state, row.result["misses"]) == (StepState.PENDING, 1)
    assert [path for path in (data_dir / "recordings").rglob("*") if path.is_file()] == []


@pytest.mark.django_db
def test_recording_on_another_host_is_refused_and_never_asked_for():
    with answering("200 OK", WAV) as switch, answering("200 OK", WAV) as evil:
        call = ended_call(switch.base_url, recording_url=f"{evil.base_url}/psr/v1/call/record/psr-1.wav")
        state, row = fetch(call)

    assert (state, row.error) == (StepState.DEAD, "refused: the switch named a recording on another host")
    assert switch.requests == evil.requests == []


@pytest.mark.django_db
def test_a_redirect_is_not_followed():
    with answering("200 OK", WAV) as evil, answering("302 Found", b"", f"Location: {evil.base_url}/x.wav") as switch:
        state, row = fetch(ended_call(switch.base_url))

    assert (state, row.error) == (StepState.DEAD, "refused: 302")
    assert evil.requests == []


@pytest.mark.django_db
@pytest.mark.parametrize("switch_call_id", ["sha256:00", "../x"])
def test_an_odd_call_id_never_becomes_an_address(switch_call_id):
    with answering("200 OK", WAV) as switch:
        state, _ = fetch(ended_call(switch.base_url, switch_call_id=switch_call_id))

    assert state == StepState.DEAD
    assert switch.requests == []


@pytest.mark.django_db
def test_a_trunk_without_a_token_is_not_asked():
    call = ended_call("http://127.0.0.1:9")
    Trunk.objects.update(token="")

    state, row = fetch(call)

    assert (state, row.error) == (StepState.DEAD, "refused: the trunk has no token")


@pytest.mark.django_db
def test_recording_file_prefers_the_bridges_own(data_dir):
    (data_dir / "own.wav").write_bytes(WAV)
    (data_dir / "switch.wav").write_bytes(WAV)
    call = Call(recording_path="own.wav", switch_recording_path="switch.wav")

    assert recording_file(call) == data_dir / "own.wav"
    (data_dir / "own.wav").unlink()
    assert recording_file(call) == data_dir / "switch.wav"
    (data_dir / "switch.wav").unlink()
    assert recording_file(call) is None
