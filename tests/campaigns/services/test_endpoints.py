"""Stream endpoints: a key that is shown once and opens one door."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import ProtectedError

from campaigns.models import StreamEndpoint
from campaigns.policies import stream_keys
from campaigns.services import endpoints
from tests.factories import NOW, make_agent, make_endpoint, make_stream_call

pytestmark = pytest.mark.django_db


def make(**fields) -> tuple[StreamEndpoint, str]:
    return endpoints.create_stream_endpoint(
        {"name": "Hotline", "protocol": "ucid", "agent": make_agent(), **fields}, now=NOW
    )


def find(key: str, now=NOW, protocol: str = "ucid") -> StreamEndpoint | None:
    return endpoints.endpoint_of_key(key, protocol=protocol, now=now)


def test_the_key_finds_its_endpoint_and_is_kept_nowhere():
    endpoint, key = make()
    assert find(key) == endpoint
    (row,) = StreamEndpoint.objects.values()
    assert not any(key in str(value) for value in row.values())
    assert row["key_prefix"] == key[:12]


@pytest.mark.parametrize("change", [{"is_active": False}, {"protocol": "livecall"}])
def test_the_key_opens_no_other_door_and_none_that_is_shut(change):
    endpoint, key = make()
    endpoints.change_stream_endpoint(endpoint, change)
    assert find(key) is None


@pytest.mark.parametrize("key", ["", "x" * 200, "\ud800", pytest.param(stream_keys.new_key(), id="another")])
def test_other_texts_open_nothing(key):
    make()
    assert find(key) is None


def test_a_published_token_opens_nothing_even_where_a_row_has_it(monkeypatch):
    _, key = make()
    monkeypatch.setattr(stream_keys, "PUBLISHED_DIGESTS", frozenset({stream_keys.digest(key)}))
    assert find(key) is None


def test_a_new_key_ends_the_old_one_and_starts_unused():
    endpoint, old = make()
    find(old)
    changed, new = endpoints.rotate_key(endpoint.pk, now=NOW + timedelta(days=1))
    assert (find(old), find(new)) == (None, endpoint)
    assert (changed.key_prefix, changed.key_made_at) == (new[:12], NOW + timedelta(days=1))
    assert changed.last_used_at is None


def test_the_use_of_a_key_is_noted_once_a_minute():
    _, key = make()
    seen = []
    for seconds in (0, 59, 60):
        find(key, NOW + timedelta(seconds=seconds))
        seen.append(StreamEndpoint.objects.get().last_used_at)
    assert seen == [NOW, NOW, NOW + timedelta(seconds=60)]


def test_an_endpoint_with_calls_stays():
    endpoint = make_endpoint()
    make_stream_call(endpoint)
    with pytest.raises(ProtectedError):
        endpoints.delete_stream_endpoint(endpoint)
    endpoints.delete_stream_endpoint(make_endpoint("Unused"))
    assert list(StreamEndpoint.objects.values_list("name", flat=True)) == ["Hotline"]
