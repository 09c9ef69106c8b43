"""Recordings of bridges that died are completed and named, once nobody can be writing them any more."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from bridge.audio.recorder import PART_SUFFIX
from bridge.calls.database import DatabaseThreads
from bridge.calls.recordings import Recordings
from campaigns.models import Call
from tests.factories import make_call

pytestmark = pytest.mark.django_db(transaction=True)

# Records three seconds of both sides, says so, and goes on until it is killed.
RECORD = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from bridge.audio.recorder import Recorder
recorder = Recorder(Path(sys.argv[1]), ThreadPoolExecutor(1))
recorder.customer(0, b"\\x07\\x00" * 8 * 5_000)
recorder.tick(5_000)
while not Path(sys.argv[1] + ".part").exists() or Path(sys.argv[1] + ".part").stat().st_size < 3_000 * 32:
    time.sleep(0.01)
print("recording", flush=True)
time.sleep(600)
"""


def killed_recorder(path: Path) -> Path:
    """What a process leaves that was killed while it recorded to `path`."""
    command = [sys.executable, "-c", RECORD, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "recording\n"
        process.send_signal(signal.SIGKILL)
    return path.with_name(path.name + PART_SUFFIX)


def written_ago(part: Path, seconds: float) -> None:
    at_s = timezone.now().timestamp() - seconds
    os.utime(part, (at_s, at_s))


@pytest.fixture
def recordings(tmp_path: Path) -> Iterator[Recordings]:
    with ThreadPoolExecutor(1) as executor:
        recordings = Recordings(tmp_path, DatabaseThreads(executor))
        yield recordings
        recordings.close()


def part_of(recordings: Recordings, call_id: UUID, content: bytes = bytes(44 + 32_000)) -> Path:
    path = recordings.path_of(call_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + PART_SUFFIX)
    part.write_bytes(content)
    written_ago(part, 3_600)
    return part


def repair(recordings: Recordings) -> None:
    asyncio.run(recordings.repair())


def test_recording_of_a_killed_bridge_is_completed_and_named(recordings):
    call = make_call(ended_by="interrupted")
    part = killed_recorder(recordings.path_of(call.id))
    written_ago(part, 61)

    repair(recordings)

    assert Call.objects.get().recording_path == f"recordings/calls/{call.id}.wav"
    assert not part.exists()
    with wave.open(str(recordings.path_of(call.id))) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (2, 8_000, 3_000 * 8)


@pytest.mark.parametrize(
    ("is_live", "idle_s"), [(True, 3_600), (False, 5)], ids=["the call is live", "somebody writes it"]
)
def test_recording_that_may_still_grow_is_left_alone(recordings, is_live, idle_s):
    call = make_call(duration_s=None) if is_live else make_call()
    part = part_of(recordings, call.id)
    written_ago(part, idle_s)

    repair(recordings)

    assert part.exists()
    assert Call.objects.get().recording_path == ""


def test_recording_that_cannot_be_completed_is_tried_again(recordings):
    call = make_call()
    part = part_of(recordings, call.id)
    recordings.path_of(call.id).mkdir()

    repair(recordings)
    assert part.exists()

    recordings.path_of(call.id).rmdir()
    written_ago(part, 3_600)
    repair(recordings)
    assert recordings.path_of(call.id).is_file()


def test_strangers_and_empty_files_do_no_harm(recordings):
    call = make_call()
    empty, unknown = part_of(recordings, call.id, bytes(44)), part_of(recordings, uuid4())
    odd = unknown.with_name("notes.wav.part")
    odd.write_bytes(bytes(1_000))
    written_ago(odd, 3_600)

    repair(recordings)

    assert (empty.exists(), unknown.exists(), odd.exists()) == (True, True, True)
    assert Call.objects.get().recording_path == ""


def test_recording_the_call_names_already_keeps_its_name(recordings):
    call = make_call()
    Call.objects.update(recording_path="recordings/calls/other.wav", ended_at=timezone.now() - timedelta(hours=1))
    part_of(recordings, call.id)

    repair(recordings)

    assert Call.objects.get().recording_path == "recordings/calls/other.wav"


def test_nothing_recorded_yet_is_no_error(recordings, caplog):
    repair(recordings)
    assert caplog.messages == []
