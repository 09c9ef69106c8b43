"""An installation of its own for a benchmark that measures in a process of its own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from tests.servers import start_postgres


@contextmanager
def installation() -> Iterator[dict[str, str]]:
    """The environment of a process with an empty DATA_DIR and PostgreSQL, started unless DATABASE_URL names one."""
    given = os.environ.get("DATABASE_URL", "")
    with (
        tempfile.TemporaryDirectory(prefix="trunkline-bench-") as directory,
        nullcontext(given) if given.startswith("postgres") else start_postgres() as url,
    ):
        yield os.environ | {
            "DATABASE_URL": url,
            "DATA_DIR": directory,
            "SECRET_KEY": "benchmark-" + "0123456789abcdef" * 3,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "LOG_LEVEL": "WARNING",
        }
