"""Recordings over HTTP: ranges, and who may hear them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.db import connections
from django.test import AsyncClient, Client

from campaigns import downloads
from campaigns.enums import Role
from campaigns.models import Call
from tests.factories import make_call, make_user

pytestmark = pytest.mark.django_db
CONTENT = bytes(range(256)) * 8


@pytest.fixture
def call(data_dir: Path) -> Call:
    path = data_dir / "recordings" / "a.wav"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    return make_call(recording_path="recordings/a.wav")


@pytest.fixture
def supervisor(client: Client) -> Client:
    client.force_login(make_user(role=Role.SUPERVISOR))
    return client


@pytest.mark.parametrize(
    ("header", "status", "content_range", "content"),
    [
        ("bytes=0-9", 206, "bytes 0-9/2048", CONTENT[:10]),
        ("bytes=2000-", 206, "bytes 2000-2047/2048", CONTENT[2000:]),
        ("bytes=-5", 206, "bytes 2043-2047/2048", CONTENT[-5:]),
        ("bytes=2047-9999", 206, "bytes 2047-2047/2048", CONTENT[2047:]),
        ("bytes=2048-", 416, "bytes */2048", b""),
        ("bytes=9-3", 416, "bytes */2048", b""),
    ],
)
def test_one_range_is_served(supervisor, call, header, status, content_range, content):
    answer = supervisor.get(f"/calls/{call.pk}/recording.wav", headers={"Range": header})

    assert (answer.status_code, answer.headers["Content-Range"], answer.content) == (status, content_range, content)


def test_an_open_range_of_a_long_recording_is_served_in_parts(supervisor, call, monkeypatch):
    monkeypatch.setattr(downloads, "MAX_PART_BYTES", 100)

    answer = supervisor.get(f"/calls/{call.pk}/recording.wav", headers={"Range": "bytes=0-"})

    assert (answer.headers["Content-Range"], answer.content) == ("bytes 0-99/2048", CONTENT[:100])


@pytest.mark.django_db(transaction=True)
async def test_all_of_it_is_streamed_and_never_kept(data_dir):
    path = data_dir / "a.wav"
    path.write_bytes(CONTENT)
    client = AsyncClient()
    user = await database_sync_to_async(make_user)(role=Role.MANAGER)
    call = await database_sync_to_async(make_call)(recording_path="a.wav")
    await client.aforce_login(user)

    answer: Any = await client.get(f"/calls/{call.pk}/recording.wav")

    assert b"".join([piece async for piece in answer.streaming_content]) == CONTENT
    assert answer.status_code == 200
    assert answer.headers["Content-Length"] == "2048"
    assert answer.headers["Content-Type"] == "audio/wav"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert {"private", "no-store"} < set(answer.headers["Cache-Control"].split(", "))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    # The client worked in the loop's own thread, whose connection nothing else closes.
    await database_sync_to_async(connections.close_all)()


def test_someone_without_a_role_hears_nothing(client, call):
    client.force_login(make_user())

    assert client.get(f"/calls/{call.pk}/recording.wav").status_code == 404
    assert client.get(f"/calls/{call.pk}/waveform.json").status_code == 404
    assert "recording_url" not in client.get(f"/calls/{call.pk}/").context


@pytest.mark.parametrize("path", ["", "../secret.wav", "/etc/hostname", "recordings/gone.wav"])
def test_a_recording_that_is_not_ours_is_404(supervisor, data_dir, path):
    (data_dir.parent / "secret.wav").write_bytes(b"x")
    call = make_call(recording_path=path)

    assert supervisor.get(f"/calls/{call.pk}/recording.wav").status_code == 404


def test_a_file_that_is_no_recording_has_no_waveform(supervisor, call):
    assert supervisor.get(f"/calls/{call.pk}/waveform.json").status_code == 404
