"""At most one effect per key, whatever happens at the same time."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from campaigns.enums import Role
from campaigns.errors import IdempotencyConflict
from campaigns.models import IdempotencyRecord
from campaigns.services import access, idempotency
from tests.factories import NOW, make_user


def test_of_many_requests_at_once_exactly_one_gets_the_key(shared_database):
    token, _ = access.create_token(make_user(), Role.MANAGER)
    together = threading.Barrier(6)
    got: list[str] = []

    def ask() -> None:
        together.wait(timeout=10)
        try:
            idempotency.reserve(token=token, key="k", request_digest="d", now=NOW)
            got.append("reserved")
        except IdempotencyConflict as conflict:
            got.append(conflict.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(got) == ["idempotency_in_flight"] * 5 + ["reserved"]


@pytest.mark.django_db
def test_an_answer_is_given_again_until_it_is_forgotten():
    token, _ = access.create_token(make_user(), Role.MANAGER)
    first = idempotency.reserve(token=token, key="k", request_digest="d", now=NOW)
    assert isinstance(first, idempotency.Reservation)
    idempotency.store(first, status_code=201, body={"id": 1})
    answers = [
        idempotency.reserve(token=token, key="k", request_digest="d", now=NOW + later)
        for later in (idempotency.KEPT, idempotency.KEPT + idempotency.IN_FLIGHT_MAX)
    ]
    assert answers[0] == idempotency.StoredAnswer(201, {"id": 1})
    assert isinstance(answers[1], idempotency.Reservation)


@pytest.mark.django_db
def test_only_the_newest_reservation_may_answer_or_release():
    token, _ = access.create_token(make_user(), Role.MANAGER)
    slow = idempotency.reserve(token=token, key="k", request_digest="d", now=NOW)
    fast = idempotency.reserve(token=token, key="k", request_digest="d", now=NOW + idempotency.IN_FLIGHT_MAX)
    assert isinstance(slow, idempotency.Reservation)
    assert isinstance(fast, idempotency.Reservation)
    idempotency.release(slow)
    with pytest.raises(IdempotencyConflict):
        idempotency.store(slow, status_code=201, body={})
    idempotency.store(fast, status_code=200, body={})
    idempotency.release(fast)
    assert IdempotencyRecord.objects.values_list("status_code", flat=True).get() == 200
