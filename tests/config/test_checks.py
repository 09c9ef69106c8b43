"""Settings that cannot work are refused at start, with what to do and without their values."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.checks import run_checks

from config import checks
from config.checks import (
    check_hosts,
    check_public_ws_url,
    check_secret_key,
    check_sqlite_disk,
    filesystem_of,
)


@pytest.mark.parametrize(
    ("key", "ids"),
    [
        ("", ["config.E001"]),
        ("a-few-letters", ["config.E001"]),
        ("change-me-" + "x" * 40, ["config.E001"]),
        ("q" * 32, []),
    ],
)
def test_secret_key_must_be_long_and_ours(settings, key, ids):
    settings.SECRET_KEY = key
    messages = check_secret_key()
    assert [message.id for message in messages] == ids
    assert all(message.hint and (not key or key not in str(message)) for message in messages)


@pytest.mark.parametrize(
    ("url", "ids"),
    [
        ("ws://127.0.0.1:8000", []),
        ("wss://voice.example.com", []),
        ("ws://voice.example.com", ["config.W001"]),
        ("https://voice.example.com", ["config.E002"]),
        ("wss://", ["config.E002"]),
        ("wss://voice.example.com?x=1", ["config.E002"]),
        ("wss://user:pa55@voice.example.com", ["config.E002"]),
    ],
)
def test_public_address_must_be_a_plain_socket_address(settings, url, ids):
    settings.PUBLIC_WS_URL = url
    messages = check_public_ws_url()
    assert [message.id for message in messages] == ids
    assert not any("pa55" in str(message) for message in messages)


@pytest.mark.parametrize(("is_debug", "ids"), [(False, ["config.E003"]), (True, [])])
def test_any_host_is_allowed_in_debug_only(settings, is_debug, ids):
    settings.DEBUG, settings.ALLOWED_HOSTS = is_debug, ["*"]
    assert [message.id for message in check_hosts()] == ids


MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
30 27 0:40 / /srv rw,relatime shared:1 - nfs4 files:/srv rw
31 30 8:2 / /srv/local rw - xfs /dev/sdb1 rw
32 27 0:41 / /mnt/with\\040space rw - cifs //files/x rw
33 31 0:42 / /srv/local/over rw - nfs a:/b rw
34 31 0:43 / /srv/local/over rw - tmpfs tmpfs rw
not a line of it
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/db", "ext4"),
        ("/srv/db", "nfs4"),
        ("/srv", "nfs4"),
        ("/srvx/db", "ext4"),
        ("/srv/local/db", "xfs"),
        ("/mnt/with space/db", "cifs"),
        ("/srv/local/over/db", "tmpfs"),
    ],
)
def test_the_file_system_of_a_path_is_that_of_the_mount_it_is_under(path, kind):
    assert filesystem_of(Path(path), MOUNTS) == kind


def test_without_a_table_of_mounts_nothing_is_known():
    assert filesystem_of(Path("/srv/db"), "") == ""


@pytest.mark.parametrize(
    ("engine", "name", "ids"),
    [("sqlite3", "/srv/db", ["config.E004"]), ("sqlite3", "/var/db", []), ("postgresql", "/srv/db", [])],
)
def test_sqlite_on_a_network_file_system_is_refused(settings, monkeypatch, tmp_path, engine, name, ids):
    (tmp_path / "mountinfo").write_text(MOUNTS)
    monkeypatch.setattr(checks, "MOUNTS", tmp_path / "mountinfo")
    monkeypatch.setitem(settings.DATABASES, "default", {"ENGINE": f"django.db.backends.{engine}", "NAME": name})
    messages = check_sqlite_disk()
    assert [message.id for message in messages] == ids
    assert all("DATA_DIR" in str(message.hint) for message in messages)


def test_no_check_needs_the_database():
    # They run before the first migration. This test has no database, and asking for one fails.
    assert run_checks() == []
