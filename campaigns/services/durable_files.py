"""Files that appear whole or not at all, below DATA_DIR and nowhere else."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings


def write_durably(path: Path, pieces: Iterable[str]) -> None:
    """Write text to `path` under a temporary name and rename it once it is on the disk.

    Raises:
        OSError: the disk is full or refuses; a file of that name is as it was before.
    """
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".part-", suffix=path.suffix)
    part = Path(name)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 a descriptor, not a path
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o640)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    _sync_directory(path.parent)


def data_file(relative: str) -> Path | None:
    """The file of that name below DATA_DIR; None if there is none, or if the name leads elsewhere."""
    if not relative:
        return None
    root = Path(settings.DATA_DIR).resolve()
    path = (root / relative).resolve()
    return path if path.is_relative_to(root) and path.is_file() else None


def _sync_directory(directory: Path) -> None:
    # The new name itself must survive a power cut.
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
