"""Lines of do-not-call lists: every way of writing a number means the same one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.policies.dnc_lines import NoNumber, read_line
from telephony.phone_numbers import parse_phone_number


@pytest.mark.parametrize(
    ("line", "region", "expected"),
    [
        (b"0899999999\n", "VN", "+84899999999"),
        (b"+84 899 999 999\r\n", "VN", "+84899999999"),
        (b"84899999999", "VN", "+84899999999"),
        (b'"0899999999",An,2026-01-01', "VN", "+84899999999"),
        (b"\xef\xbb\xbf0899999999", "VN", "+84899999999"),
        (b"0899999999\tx", "VN", "+84899999999"),
        (b"415,5552671", "US", "+14155552671"),
        (b"4155552671", "US", "+14155552671"),
        (b"", "VN", NoNumber.NOTHING),
        (b"phone_number,name", "VN", NoNumber.NOTHING),
        (b"# 2026-01-01", "VN", NoNumber.NOTHING),
        (b"113", "VN", NoNumber.NOTHING),
        (b"12", "VN", NoNumber.UNREADABLE),
        (b"An,0899999999", "VN", NoNumber.UNREADABLE),
    ],
)
def test_a_line_is_a_number_or_not(line, region, expected) -> None:
    assert read_line(line, region) == expected


WAYS = ("0{0}", "+84{0}", "84{0}", "0084{0}", "0{0} ", " +84 {0}", "'0{0}", "(0{0})")


@given(st.sampled_from(["3", "5", "7", "8", "9"]), st.integers(0, 99_999_999), st.sampled_from(WAYS))
def test_whatever_way_a_number_is_written_its_key_is_the_same(first, rest, way) -> None:
    """C2: a list and a campaign that write a number differently still mean the same one."""
    national = f"{first}{rest:08}"
    read = read_line(way.format(national).encode(), "VN")
    if isinstance(read, str):
        assert read == parse_phone_number(f"+84{national}").e164
