"""One range is served, several are ignored, impossible ones are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.policies.byte_ranges import ByteRange, Unsatisfiable, parse_range

SIZE_BYTES = 1000


@pytest.mark.parametrize(
    ("header", "result"),
    [
        (None, None),
        ("", None),
        ("items=0-5", None),
        ("bytes=0-1,5-9", None),
        (",".join(["bytes=0-"] + ["0-"] * 999), None),
        ("bytes=0-499", ByteRange(0, 499)),
        ("bytes=500-", ByteRange(500, 999)),
        ("bytes=0-0", ByteRange(0, 0)),
        ("bytes=999-5000", ByteRange(999, 999)),
        ("bytes=-200", ByteRange(800, 999)),
        ("bytes=-5000", ByteRange(0, 999)),
        (" Bytes=10 - 20 ", ByteRange(10, 20)),
        ("bytes=1000-", Unsatisfiable()),
        ("bytes=5-4", Unsatisfiable()),
        ("bytes=-0", Unsatisfiable()),
        ("bytes=-", Unsatisfiable()),
        ("bytes=", Unsatisfiable()),
        ("bytes=a-b", Unsatisfiable()),
        ("bytes=0x1-5", Unsatisfiable()),
        ("bytes=" + "9" * 30 + "-", Unsatisfiable()),
    ],
)
def test_parse_range(header, result):
    assert parse_range(header, SIZE_BYTES) == result


def test_nothing_of_an_empty_file_can_be_asked_for():
    assert parse_range("bytes=0-", 0) == Unsatisfiable()


@given(st.text(max_size=30) | st.from_regex(r"bytes=\d{0,5}-\d{0,5}", fullmatch=True), st.integers(0, 2000))
def test_a_range_lies_within_the_file(header, size_bytes):
    found = parse_range(header, size_bytes)

    if isinstance(found, ByteRange):
        assert 0 <= found.start <= found.end < size_bytes
        assert found.length_bytes == len(range(size_bytes)[found.start : found.end + 1])
