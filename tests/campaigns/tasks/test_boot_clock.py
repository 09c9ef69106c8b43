"""The clock behind the pause guard works on every system we run on."""

from __future__ import annotations

import time

import pytest

from campaigns.tasks.dialing import boot_clock_s


@pytest.mark.parametrize("has_boot_clock", [True, False])
def test_boot_clock_goes_forward_on_every_system(monkeypatch, has_boot_clock):
    if not has_boot_clock:
        monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    readings = [boot_clock_s() for _ in range(3)]
    assert readings == sorted(readings)
    # No system counts fewer seconds since its start than its monotonic clock does.
    assert readings[0] >= time.clock_gettime(time.CLOCK_MONOTONIC) - 1
