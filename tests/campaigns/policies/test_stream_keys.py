"""Keys of stream endpoints."""

from __future__ import annotations

import re

from campaigns.policies import stream_keys


def test_keys_are_long_random_and_fit_for_a_path():
    keys = {stream_keys.new_key() for _ in range(50)}
    assert len(keys) == 50
    assert all(re.fullmatch(r"tls_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", key) for key in keys)


def test_what_may_be_shown_of_a_key_is_none_of_its_secret():
    key = stream_keys.new_key()
    assert stream_keys.prefix_of(key) == "_".join(key.split("_")[:2])


def test_a_digest_tells_keys_apart_whatever_they_hold():
    assert len({stream_keys.digest(text) for text in ("", "a", "\ud800", "khóa")}) == 4


def test_a_published_token_is_known_by_its_digest_alone(monkeypatch):
    monkeypatch.setattr(stream_keys, "PUBLISHED_DIGESTS", frozenset({stream_keys.digest("printed somewhere")}))
    assert stream_keys.is_published("printed somewhere")
    assert not stream_keys.is_published(stream_keys.new_key())


def test_the_list_of_published_tokens_is_not_empty():
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in stream_keys.PUBLISHED_DIGESTS)
    assert stream_keys.PUBLISHED_DIGESTS
