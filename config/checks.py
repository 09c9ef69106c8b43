"""System checks of the settings as a whole. Each has an id and a hint that says what to do; none prints a value."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured

SECRET_KEY_MIN_CHARS = 32
MOUNTS = Path("/proc/self/mountinfo")
NETWORK_FILESYSTEMS = frozenset(
    {
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "davfs",
        "fuse.ceph",
        "fuse.davfs2",
        "fuse.glusterfs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "glusterfs",
        "gpfs",
        "lustre",
        "nfs",
        "nfs4",
        "smb3",
        "smbfs",
    }
)
KNOWN_PUBLIC_SECRETS = ("change-me", "django-insecure", "secret")


@register
def check_secret_key(**_: Any) -> list[CheckMessage]:
    try:
        key = settings.SECRET_KEY
    except ImproperlyConfigured:  # Django does not even let an empty one be read
        key = ""
    if len(key) >= SECRET_KEY_MIN_CHARS and not key.startswith(KNOWN_PUBLIC_SECRETS):
        return []
    return [
        Error(
            "SECRET_KEY is missing, too short or a default.",
            hint=f"Set SECRET_KEY to at least {SECRET_KEY_MIN_CHARS} random characters; `make run` writes one to .env.",
            id="config.E001",
        )
    ]


@register
def check_public_ws_url(**_: Any) -> list[CheckMessage]:
    parts = urlsplit(settings.PUBLIC_WS_URL)
    if parts.scheme not in ("ws", "wss") or not parts.hostname or parts.query or parts.fragment or parts.username:
        return [
            Error(
                "PUBLIC_WS_URL is not a plain ws:// or wss:// base.",
                hint="Set it to the address PSR reaches the bridge by, for example wss://voice.example.com.",
                id="config.E002",
            )
        ]
    is_local = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if parts.scheme == "ws" and not is_local:
        return [
            Warning(
                "PUBLIC_WS_URL is ws:// on a public host: customers' voices would travel in the clear.",
                hint="Put a TLS proxy in front and use wss://.",
                id="config.W001",
            )
        ]
    return []


@register
def check_sqlite_disk(**_: Any) -> list[CheckMessage]:
    """Whether SQLite's file lies where its locks and its write-ahead log work."""
    database = settings.DATABASES["default"]
    if "sqlite" not in database["ENGINE"] or not MOUNTS.exists():
        return []
    kind = filesystem_of(Path(str(database["NAME"])).absolute(), MOUNTS.read_text(errors="replace"))
    if kind not in NETWORK_FILESYSTEMS:
        return []
    return [
        Error(
            f"The SQLite database lies on a network file system ({kind}), which would lose or damage it.",
            hint="Set DATA_DIR to a directory on a local disk, or DATABASE_URL to a PostgreSQL server.",
            id="config.E004",
        )
    ]


def filesystem_of(path: Path, mounts: str) -> str:
    """The kind of the file system a path lies on, by the text of /proc/self/mountinfo; empty where that does not say.

    Source: Linux, Documentation/filesystems/proc.rst, 3.5.
    """
    found, depth = "", -1
    for line in mounts.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4]))
        # Of two mounts on one point, the later one is seen.
        if path.is_relative_to(point) and len(point.parts) >= depth:
            found, depth = after.split(" ")[0], len(point.parts)
    return found


@register
def check_hosts(**_: Any) -> list[CheckMessage]:
    if not settings.DEBUG and "*" in settings.ALLOWED_HOSTS:
        return [
            Error(
                "ALLOWED_HOSTS is `*` with DEBUG off.",
                hint="List the host names the pages are served under.",
                id="config.E003",
            )
        ]
    return []
