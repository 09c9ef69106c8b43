"""Fixtures every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, settings) -> Path:
    """Every test writes its files below its own directory."""
    settings.DATA_DIR = tmp_path
    return tmp_path
