"""`Idempotency-Key`: the same POST twice has one effect and one answer."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test.client import encode_multipart
from django.utils import timezone

from campaigns.errors import IdempotencyConflict
from campaigns.models import ApiToken, Customer, IdempotencyRecord, ImportJob
from campaigns.services import idempotency
from tests.factories import make_campaign, make_list

CUSTOMERS = "/api/v1/customers/"
BODY = {"phone_number": "0912345678"}


def post(client, body=None, *, key="k-1", path=CUSTOMERS):
    return client.post(path, BODY if body is None else body, HTTP_IDEMPOTENCY_KEY=key)


def test_a_repeated_post_gets_the_first_answer_and_has_no_effect(integrator):
    first, second = post(integrator), post(integrator)
    assert (first.status_code, second.status_code, Customer.objects.count()) == (201, 201, 1)
    assert (second.json(), first.has_header("Idempotent-Replayed")) == (first.json(), False)
    assert second["Idempotent-Replayed"] == "true"


def test_the_order_of_the_keys_does_not_make_another_request(integrator):
    first = integrator.generic(
        "POST", CUSTOMERS, '{"phone_number": "0912345678", "name": "Lan"}', "application/json", HTTP_IDEMPOTENCY_KEY="k"
    )
    second = integrator.generic(
        "POST", CUSTOMERS, '{"name":"Lan","phone_number":"0912345678"}', "application/json", HTTP_IDEMPOTENCY_KEY="k"
    )
    assert (first.status_code, second.json()) == (201, first.json())


def test_a_key_cannot_serve_another_body_or_path(integrator):
    post(integrator)
    answers = [post(integrator, {"phone_number": "0987654321"}), post(integrator, path="/api/v1/suppressed-numbers/")]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(422, "idempotency_mismatch")] * 2
    assert Customer.objects.count() == 1


def test_keys_of_two_tokens_do_not_meet(integrator, manager):
    post(integrator)
    answer = post(manager, {"phone_number": "0987654321"})
    assert (answer.status_code, Customer.objects.count()) == (201, 2)


def test_a_second_request_is_refused_while_the_first_runs(integrator):
    post(integrator)
    IdempotencyRecord.objects.update(status_code=None, body=None)
    answer = post(integrator)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_in_flight")


def test_the_reservation_of_a_dead_request_is_taken_over(integrator):
    token = ApiToken.objects.get()
    abandoned_at = timezone.now() - idempotency.IN_FLIGHT_MAX
    first = idempotency.reserve(token=token, key="k-1", request_digest="", now=abandoned_at)
    assert isinstance(first, idempotency.Reservation)
    post(integrator, key="other")
    digest = IdempotencyRecord.objects.get(key="other").request_digest
    Customer.objects.all().delete()
    IdempotencyRecord.objects.filter(key="k-1").update(request_digest=digest)
    assert (post(integrator).status_code, Customer.objects.count()) == (201, 1)
    with pytest.raises(IdempotencyConflict):
        idempotency.store(first, status_code=201, body={})


def test_a_refused_request_leaves_its_key_free(integrator):
    refused = post(integrator, {"phone_number": "nonsense"})
    accepted = post(integrator)
    assert (refused.status_code, accepted.status_code) == (422, 201)


def test_a_request_that_fails_half_way_leaves_nothing_behind(manager):
    make_campaign("Survey")
    path = f"/api/v1/campaigns/{make_campaign('Other').pk}/clone/"
    assert [post(manager, {"name": "Survey"}, path=path).status_code for _ in range(2)] == [409, 409]
    assert IdempotencyRecord.objects.count() == 0


def test_a_key_is_forgotten_after_three_days(integrator):
    post(integrator)
    IdempotencyRecord.objects.update(created_at=timezone.now() - idempotency.KEPT)
    answer = post(integrator, {"phone_number": "0987654321"})
    assert (answer.status_code, Customer.objects.count()) == (201, 2)


def test_an_upload_is_the_same_whatever_its_boundary(integrator):
    path = f"/api/v1/customer-lists/{make_list().pk}/imports/"

    def upload(content: bytes, boundary: str):
        file = SimpleUploadedFile("a.csv", content, content_type="text/csv")
        body = encode_multipart(boundary, {"file": file})
        kind = f"multipart/form-data; boundary={boundary}"
        return integrator.generic("POST", path, body, kind, HTTP_IDEMPOTENCY_KEY="up")

    answers = [upload(b"phone\n0912345678\n", "one"), upload(b"phone\n0912345678\n", "two")]
    other = upload(b"phone\n0987654321\n", "one")
    assert [answer.status_code for answer in (*answers, other)] == [202, 202, 422]
    assert (answers[0].json(), ImportJob.objects.count()) == (answers[1].json(), 1)


@pytest.mark.parametrize("key", ["", "x" * 201, "a\tb", "ключ"])
def test_a_key_that_makes_no_sense_is_refused(integrator, key):
    answer = post(integrator, key=key.encode().decode("latin-1"))
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_idempotency_key")


def test_other_methods_take_no_notice_of_a_key(integrator):
    answers = [integrator.get(CUSTOMERS, HTTP_IDEMPOTENCY_KEY="k-1") for _ in range(2)]
    assert ([answer.status_code for answer in answers], IdempotencyRecord.objects.count()) == ([200, 200], 0)
