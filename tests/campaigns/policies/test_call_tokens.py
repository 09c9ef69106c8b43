"""Call tokens: what is minted verifies, everything else does not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import string
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.errors import BadCallToken
from campaigns.policies.call_tokens import CallTokenClaims, TokenKey, digest, mint, parse_keys, verify

NOW = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
CLAIMS = CallTokenClaims(UUID(int=7), 42, 3, NOW + timedelta(minutes=10))
KEYS = parse_keys([], secret_key="k" * 40)
ROUTE = re.compile(r"[A-Za-z0-9._-]{16,512}")


def code_of(token: str, *, keys=KEYS, now: datetime = NOW) -> str:
    with pytest.raises(BadCallToken) as refused:
        verify(token, keys=keys, now=now)
    return refused.value.code


EXTENSIONS = st.just("") | st.from_regex(r"[0-9]{2,6}", fullmatch=True)


@given(st.uuids(), st.integers(0, 2**63 - 1), st.integers(0, 32_767), st.integers(1, 10**9), EXTENSIONS)
def test_token_round_trip(attempt_id: UUID, contact_id: int, number: int, ttl_s: int, extension: str) -> None:
    claims = CallTokenClaims(attempt_id, contact_id, number, NOW + timedelta(seconds=ttl_s), extension)
    token = mint(claims, keys=KEYS)
    assert verify(token, keys=KEYS, now=NOW) == claims
    assert ROUTE.fullmatch(token)


def test_two_tokens_of_one_attempt_differ() -> None:
    assert mint(CLAIMS, keys=KEYS) != mint(CLAIMS, keys=KEYS)


@given(st.data())
def test_token_with_any_character_changed_is_refused(data) -> None:
    token = mint(CLAIMS, keys=KEYS)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from(string.ascii_letters + string.digits + "-_.").filter(lambda c: c != token[place]))
    assert code_of(token[:place] + other + token[place + 1 :]) in ("forged", "malformed")


@given(st.text(max_size=600))
def test_any_text_is_refused_and_never_breaks(text: str) -> None:
    assert code_of(text) in ("forged", "malformed")
    assert len(digest(text)) == 64


def test_token_expires_at_its_moment() -> None:
    token = mint(CLAIMS, keys=KEYS)
    assert verify(token, keys=KEYS, now=CLAIMS.expires_at - timedelta(seconds=1)) == CLAIMS
    assert code_of(token, now=CLAIMS.expires_at) == "expired"


def test_token_is_bound_to_its_use() -> None:
    payload, _ = mint(CLAIMS, keys=KEYS).split(".")
    raw = base64.urlsafe_b64decode(payload + "==="[: -len(payload) % 4])
    mac = hmac.digest(KEYS[0].secret, raw, hashlib.sha256)
    assert code_of(f"{payload}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}") == "forged"


@pytest.mark.parametrize(
    "payload", [b"[]", b"{}", b'{"v":2}', b'{"v":1,"a":"zz","c":1,"n":1,"e":1}', b'{"v":1,"a":7,"c":1,"n":1,"e":1e99}']
)
def test_signed_nonsense_is_malformed(payload: bytes) -> None:
    mac = hmac.digest(KEYS[0].secret, b"trunkline-psr-socket|" + payload, hashlib.sha256)
    parts = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (payload, mac)]
    assert code_of(".".join(parts)) == "malformed"


def entry(key_id: str, size: int = 32) -> str:
    return f"{key_id}:{base64.b64encode(key_id.encode()[:1] * size).decode()}"


def test_first_key_signs_and_all_verify() -> None:
    old, new = parse_keys([entry("a")], secret_key=""), parse_keys([entry("b"), entry("a")], secret_key="")
    assert verify(mint(CLAIMS, keys=old), keys=new, now=NOW) == CLAIMS
    assert code_of(mint(CLAIMS, keys=new), keys=old) == "forged"


@pytest.mark.parametrize(
    "entries",
    [["a"], ["a:"], [":" + "A" * 32], ["a b:" + "A" * 32], [entry("a", 15)], [entry("a"), entry("a")], ["a:###"]],
)
def test_bad_keys_are_named_by_place_and_not_shown(entries: list[str]) -> None:
    with pytest.raises(ValueError, match=f"Entry {len(entries)} of CALL_TOKEN_KEYS must be KEY_ID:BASE64"):
        parse_keys(entries, secret_key="x")


def test_derived_key_depends_on_the_secret_key_and_shows_nothing() -> None:
    token = mint(CLAIMS, keys=KEYS)
    assert code_of(token, keys=parse_keys([], secret_key="other")) == "forged"
    assert repr(TokenKey("a", b"secret")) == "TokenKey('a')"
    assert digest(token) == hashlib.sha256(token.encode()).hexdigest()
    assert digest(token) != digest(str(uuid4()))
