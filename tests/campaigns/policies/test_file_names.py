"""File names come from our ids; a vendor's id is kept only where it is harmless."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.policies import file_names

CALL_ID = UUID("0a1b2c3d-0000-4000-8000-00000000000f")
STARTED_AT = datetime(2026, 11, 30, 23, 59, 59, 999_900, tzinfo=UTC)


def test_names_of_a_calls_files():
    assert file_names.transcript_file_name(CALL_ID, STARTED_AT) == f"call_{CALL_ID}_1796083199999_transcript.json"
    assert file_names.call_file_name(CALL_ID, STARTED_AT) == f"call_{CALL_ID}_1796083199999.json"
    assert file_names.switch_recording_name(CALL_ID, STARTED_AT) == f"2026/11/{CALL_ID}.wav"


@pytest.mark.parametrize("text", ["", "60fb0716-87cf-437a-91e6-cdcecae21b43", "a.b:c_D-9", "x" * 128])
def test_a_harmless_vendor_id_is_kept(text):
    assert file_names.safe_vendor_call_id(text) == text


@pytest.mark.parametrize("text", ["../x", "a b", "a\x00", "x" * 129, "\u202egnp", "a/b", "\ud800", "a\n"])
def test_any_other_vendor_id_becomes_a_digest(text):
    safe = file_names.safe_vendor_call_id(text)

    assert safe.startswith("sha256:")
    assert file_names.safe_vendor_call_id(safe) == safe


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=200))
def test_a_safe_vendor_id_fits_its_column_and_is_stable(text):
    safe = file_names.safe_vendor_call_id(text)

    assert len(safe) <= 128
    assert safe == file_names.safe_vendor_call_id(text)
    assert not set(safe) & set("/\\\x00 ")
