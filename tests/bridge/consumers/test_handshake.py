"""The handshake of a PSR socket, judged without a database."""

from __future__ import annotations

import pytest

from bridge.consumers.handshake import (
    BadTokenLimiter,
    KeyedHandshake,
    LineLimiter,
    PsrQuery,
    Refusal,
    read_keyed_handshake,
    read_psr_query,
)
from telephony.protocols.events import Handshake
from telephony.protocols.registry import Pass


def test_query_gives_call_id_and_metadata():
    query = read_psr_query(b"call_id=3f0c-1&tenant=acme&name=Ng%C3%B4+An", [(b"host", b"x")])
    assert query == PsrQuery("3f0c-1", "acme", {"name": "Ngô An"})


@pytest.mark.parametrize(
    ("raw", "headers", "refusal"),
    [
        (b"", [], Refusal(400, "call_id_missing")),
        (b"call_id=", [], Refusal(400, "call_id_malformed")),
        (b"call_id=a&call_id=b", [], Refusal(400, "call_id_twice")),
        (b"call_id=a&tenant=x&tenant=x", [], Refusal(400, "tenant_twice")),
        (b"call_id=a%00b", [], Refusal(400, "call_id_malformed")),
        (b"call_id=" + b"a" * 129, [], Refusal(400, "call_id_malformed")),
        (b"call_id=a&x=" + b"y" * 8_192, [], Refusal(400, "query_too_long")),
        (b"call_id=a" + b"&x=1" * 64, [], Refusal(400, "query_malformed")),
        (b"call_id=a&x=%ff", [], Refusal(400, "query_malformed")),
        (b"call_id=\xff", [], Refusal(400, "query_malformed")),
        (b"call_id=a", [(b"origin", b"https://evil.example")], Refusal(403, "origin_not_allowed")),
    ],
)
def test_query_is_refused_with_its_reason(raw, headers, refusal):
    assert read_psr_query(raw, headers) == refusal


KEY = "tls_0011aabb_" + "k" * 43


def test_key_travels_in_the_query_or_in_the_path():
    in_query = read_keyed_handshake(Pass.KEY_IN_QUERY, {"call_id": "c-1"}, f"token={KEY}&plan=gold".encode(), [])
    assert in_query == KeyedHandshake(KEY, Handshake(path={"call_id": "c-1"}, query={"plan": "gold"}))
    in_path = read_keyed_handshake(Pass.KEY_IN_PATH, {"key": KEY, "call_id": "c-1"}, b"token=else", [])
    assert in_path == KeyedHandshake(KEY, Handshake(path={"call_id": "c-1"}, query={"token": "else"}))


@pytest.mark.parametrize(
    ("raw", "headers", "refusal"),
    [
        (b"", [], Refusal(401, "key_missing")),
        (b"token=", [], Refusal(401, "key_missing")),
        (b"token=short", [], Refusal(401, "key_unknown")),
        (b"token=" + b"k" * 129, [], Refusal(401, "key_unknown")),
        (b"token=" + b"k" * 40 + b"%00", [], Refusal(401, "key_unknown")),
        (f"token={KEY}&token={KEY}".encode(), [], Refusal(400, "key_twice")),
        (b"x=" + b"y" * 8_192, [], Refusal(400, "query_too_long")),
        (b"x=%ff", [], Refusal(400, "query_malformed")),
        (f"token={KEY}".encode(), [(b"origin", b"https://evil.example")], Refusal(403, "origin_not_allowed")),
    ],
)
def test_keyed_handshake_is_refused_with_its_reason(raw, headers, refusal):
    assert read_keyed_handshake(Pass.KEY_IN_QUERY, {}, raw, headers) == refusal


def test_lines_are_let_through_once_a_second_and_count_the_others():
    lines = LineLimiter()
    assert [lines.held_back(now_s) for now_s in (0, 0.5, 0.9, 1.0, 1.5, 9, 10)] == [0, None, None, 2, None, 1, 0]


def test_limiter_blocks_after_twenty_bad_tokens_for_a_minute():
    limiter = BadTokenLimiter()
    for _ in range(20):
        assert not limiter.is_blocked("10.0.0.1", 5)
        limiter.was_bad("10.0.0.1", 5)
    assert limiter.is_blocked("10.0.0.1", 64)
    assert not limiter.is_blocked("10.0.0.2", 64)
    assert not limiter.is_blocked("10.0.0.1", 65)


def test_limiter_forgets_the_least_recent_peers():
    limiter = BadTokenLimiter()
    for _ in range(20):
        limiter.was_bad("first", 0)
    for number in range(10_000):
        limiter.was_bad(str(number), 0)
    assert not limiter.is_blocked("first", 0)
