"""The handshake of a PSR socket, judged without a database."""

from __future__ import annotations

import pytest

from bridge.consumers.handshake import BadTokenLimiter, PsrQuery, Refusal, read_psr_query


def test_query_gives_call_id_and_metadata():
    query = read_psr_query(b"call_id=3f0c-1&tenant=acme&name=Ng%C3%B4+An", [(b"host", b"x")])
    assert query == PsrQuery("3f0c-1", {"call_id": "3f0c-1", "tenant": "acme", "name": "Ngô An"})


@pytest.mark.parametrize(
    ("raw", "headers", "refusal"),
    [
        (b"", [], Refusal(400, "call_id_missing")),
        (b"call_id=", [], Refusal(400, "call_id_malformed")),
        (b"call_id=a&call_id=b", [], Refusal(400, "call_id_twice")),
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
