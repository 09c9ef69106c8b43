"""Reading JSON strictly."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.api.parsing import BODY_MAX_BYTES, DEPTH_MAX, BadJson, read_json

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(PLAIN)
def test_what_json_can_say_is_read_as_it_is(value):
    assert read_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_read_or_refused(body):
    # Any other exception would fail the test.
    with contextlib.suppress(BadJson):
        read_json(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"a": 1,}',
        b'{"a": 1, "a": 2}',
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e999",
        b"1" * 30,
        b"9" * 5000,
        b'"\\ud800"',
        b'{"\\udfff": 1}',
        b'"\xff"',
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1),
        b"[" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    ],
)
def test_what_two_parsers_could_read_differently_is_refused(body):
    with pytest.raises(BadJson):
        read_json(body)


def test_the_deepest_body_allowed_is_read():
    body = b"[" * DEPTH_MAX + b"]" * DEPTH_MAX
    assert json.dumps(read_json(body)).encode() == body


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "bad_json"),
        (b'{"name": "A"}', "text/plain", 415, "unsupported_media_type"),
        (b"name=A", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b'{"name": "' + b"x" * BODY_MAX_BYTES + b'"}', "application/json", 413, "too_large"),
        (b'{"name": "A"}', "application/json; charset=utf-8", 201, None),
    ],
)
def test_a_body_is_answered_by_what_is_wrong_with_it(manager, body, content_type, status, code):
    answer = manager.generic("POST", "/api/v1/agents/", body, content_type)
    assert (answer.status_code, answer.json().get("code")) == (status, code)
