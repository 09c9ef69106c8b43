"""SQLite as the embedded default uses it: what was committed before a POST survives a power cut."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.db.backends.sqlite3.base import DatabaseWrapper


@pytest.mark.django_db
@pytest.mark.skipif(not settings.DATABASE_URL.startswith("sqlite"), reason="another database is configured")
def test_every_connection_waits_for_the_disk_and_locks_before_it_reads(tmp_path: Path) -> None:
    default = settings.DATABASES["default"]
    connection = DatabaseWrapper({**default, "NAME": str(tmp_path / "one.sqlite3"), "TIME_ZONE": None}, alias="one")
    found = {}
    with connection.cursor() as cursor:
        for name in ("synchronous", "journal_mode", "foreign_keys"):
            found[name] = cursor.execute(f"PRAGMA {name}").fetchone()[0]
    connection.close()
    assert found == {"synchronous": 2, "journal_mode": "wal", "foreign_keys": 1}
    assert (default["OPTIONS"]["transaction_mode"], default["OPTIONS"]["timeout"]) == ("IMMEDIATE", 20)
