"""`customers/` and `customer-lists/`."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from campaigns.models import Customer, CustomerList, ImportJob
from campaigns.tasks.imports import run_import
from tests.factories import make_campaign, make_contact, make_customer, make_list

CUSTOMERS = "/api/v1/customers/"
LISTS = "/api/v1/customer-lists/"


def test_a_customer_is_created_as_people_write_numbers(integrator):
    answer = integrator.post(
        CUSTOMERS,
        {
            "phone_number": "091 234 5678",
            "name": " Lan ",
            "timezone": "Asia/Ho_Chi_Minh",
            "attributes": {"plan": "gold"},
        },
    )
    assert answer.status_code == 201
    made = Customer.objects.get()
    assert answer.json() == {
        "id": made.pk,
        "phone_number": "+84912345678",
        "name": "Lan",
        "timezone": "Asia/Ho_Chi_Minh",
        "attributes": {"plan": "gold"},
        "created_at": answer.json()["created_at"],
        "updated_at": answer.json()["updated_at"],
    }
    assert integrator.get(f"{CUSTOMERS}{made.pk}/").json() == answer.json()


REFUSED_BODIES = [
    ({}, "required", ["phone_number"]),
    ({"phone_number": 84912345678}, "phone_not_string", ["phone_number"]),
    ({"phone_number": "8.4912E+10"}, "phone_scientific", ["phone_number"]),
    ({"phone_number": "hello"}, "bad_phone", ["phone_number"]),
    ({"phone_number": "113"}, "blocked_number_class", ["phone_number"]),
    ({"phone_number": "0912345678", "name": 5}, "invalid", ["name"]),
    ({"phone_number": "0912345678", "name": "a\u0007b"}, "bad_text", ["name"]),
    ({"phone_number": "0912345678", "name": "x" * 201}, "max_length", ["name"]),
    ({"phone_number": "0912345678", "timezone": "Mars/Base"}, "bad_zone", ["timezone"]),
    ({"phone_number": "0912345678", "attributes": []}, "invalid", ["attributes"]),
    ({"phone_number": "0912345678", "attributes": {"1st": "x"}}, "bad_key", ["attributes"]),
    ({"phone_number": "0912345678", "attributes": {"plan": 1}}, "bad_value", ["attributes"]),
    ({"phone_number": "0912345678", "attributes": {"plan": "x" * 501}}, "too_long", ["attributes"]),
    ({"phone_number": "0912345678", "attributes": {f"k{n}": "" for n in range(65)}}, "too_many", ["attributes"]),
    ({"phone_number": "0912345678", "is_admin": True}, "unknown_field", ["is_admin"]),
    ({"phone_number": "0912345678", "id": 7}, "read_only", ["id"]),
    ({"phone_number": 1, "colour": "red", "timezone": ""}, "unknown_field", ["colour"]),
    ({"phone_number": "1", "name": 2}, "invalid", ["name", "phone_number"]),
    ([], "invalid", ["non_field_errors"]),
    ("text", "invalid", ["non_field_errors"]),
]


@pytest.mark.parametrize(("body", "code", "fields"), REFUSED_BODIES)
def test_a_customer_is_refused_with_the_fields_at_fault(integrator, body, code, fields):
    answer = integrator.post(CUSTOMERS, body)
    assert (answer.status_code, answer.json()["code"], sorted(answer.json()["errors"])) == (422, code, fields)
    assert Customer.objects.count() == 0


def test_a_number_belongs_to_one_customer(integrator):
    make_customer("+84912345678")
    answer = integrator.post(CUSTOMERS, {"phone_number": "0912345678"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unique")


def test_a_customer_is_changed_in_the_given_fields_only(integrator):
    customer = make_customer("+84912345678", name="Lan", attributes={"plan": "gold"})
    answer = integrator.patch(f"{CUSTOMERS}{customer.pk}/", {"name": "Lan Anh"})
    customer.refresh_from_db()
    assert (answer.status_code, customer.name, customer.attributes) == (200, "Lan Anh", {"plan": "gold"})


def test_a_customer_keeps_its_own_number_in_a_change(integrator):
    customer = make_customer("+84912345678")
    answer = integrator.patch(f"{CUSTOMERS}{customer.pk}/", {"phone_number": "0912345678"})
    assert (answer.status_code, answer.json()["phone_number"]) == (200, "+84912345678")


def test_a_customer_of_a_campaign_cannot_be_deleted(integrator):
    contact = make_contact()
    answer = integrator.delete(f"{CUSTOMERS}{contact.customer_id}/")
    assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
    assert Customer.objects.filter(pk=contact.customer_id).exists()


def test_a_customer_without_a_campaign_can_be_deleted(integrator):
    customer = make_customer()
    make_list(customers=[customer])
    assert integrator.delete(f"{CUSTOMERS}{customer.pk}/").status_code == 204
    assert Customer.objects.count() == 0


def test_customers_are_found_by_number_and_list(integrator):
    wanted, other = make_customer("+84912345678"), make_customer("+84987654321")
    named = make_list(customers=[wanted])
    make_list(customers=[other])
    by_number = integrator.get(CUSTOMERS, {"phone_number": "0912 345 678"}).json()
    by_plus = integrator.get(f"{CUSTOMERS}?phone_number=+84912345678").json()
    by_list = integrator.get(CUSTOMERS, {"list": named.pk}).json()
    assert [[row["id"] for row in page["results"]] for page in (by_number, by_plus, by_list)] == [[wanted.pk]] * 3


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("colour=red", "unknown_parameter"),
        ("phone_number=hello", "bad_phone"),
        ("list=0", "invalid_choice"),
        ("list=99999999999999999999999", "invalid_choice"),
        ("list=x", "invalid_choice"),
        ("page=0", "bad_page"),
        ("page=-1", "bad_page"),
        ("page=x", "bad_page"),
        ("page_size=0", "bad_page"),
        ("page_size=201", "bad_page"),
        ("page_size=1e9", "bad_page"),
        ("page=٣", "bad_page"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(integrator, query, code):
    answer = integrator.get(f"{CUSTOMERS}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_a_list_is_created_renamed_and_deleted(integrator):
    made = integrator.post(LISTS, {"name": "Spring"}).json()
    renamed = integrator.patch(f"{LISTS}{made['id']}/", {"name": "Autumn"}).json()
    assert (made["name"], made["columns"], made["customers_total"], renamed["name"]) == ("Spring", [], 0, "Autumn")
    assert integrator.delete(f"{LISTS}{made['id']}/").status_code == 204
    assert CustomerList.objects.count() == 0


def test_a_list_tells_how_many_customers_it_holds(integrator):
    named = make_list(customers=[make_customer(), make_customer()])
    assert integrator.get(f"{LISTS}{named.pk}/").json()["customers_total"] == 2


def test_two_lists_cannot_share_a_name(integrator):
    make_list("Spring")
    answer = integrator.post(LISTS, {"name": "Spring"})
    assert (answer.status_code, answer.json()["code"], list(answer.json()["errors"])) == (422, "unique", ["name"])


def test_a_list_of_a_campaign_cannot_be_deleted(integrator):
    named = make_list()
    make_campaign("Survey").customer_lists.add(named)
    answer = integrator.delete(f"{LISTS}{named.pk}/")
    assert (answer.status_code, answer.json()) == (
        409,
        {"code": "in_use", "detail": "The list belongs to a campaign (Survey).", "errors": {}},
    )


def upload(content: bytes, name: str = "customers.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, content_type="text/csv")


def test_an_upload_becomes_an_import_and_its_rows_customers(integrator):
    named = make_list()
    content = "Mobile,Họ tên,plan\n0912345678,Lan,gold\nnonsense,Ba,silver\n".encode()
    answer = integrator.post(
        f"{LISTS}{named.pk}/imports/",
        {"file": upload(content), "mapping": '{"Mobile": "phone_number"}'},
        format="multipart",
    )
    assert answer.status_code == 202
    job = ImportJob.objects.get()
    assert (answer.json()["id"], answer.json()["state"], answer.json()["list"]) == (job.pk, "queued", named.pk)
    run_import(job_id=job.pk)
    done = integrator.get(f"/api/v1/imports/{job.pk}/").json()
    assert (done["state"], done["rows_accepted"], done["rows_rejected"], done["progress"]) == ("done", 1, 1, 1.0)
    assert list(Customer.objects.values_list("phone_number", flat=True)) == ["+84912345678"]


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({}, 422, "required"),
        ({"file": upload(b"")}, 422, "empty_file"),
        ({"file": upload(b"PK\x03\x04" + b"x" * 60)}, 415, "not_csv"),
        ({"file": upload(b"name\nLan\n")}, 422, "no_phone_column"),
        ({"file": upload(b"phone\n0912345678\n"), "mapping": "[1]"}, 422, "invalid"),
        ({"file": upload(b"phone\n0912345678\n"), "mapping": "{"}, 400, "bad_json"),
        ({"file": upload(b"phone\n0912345678\n"), "mapping": '{"nothing": "name"}'}, 422, "bad_mapping"),
        ({"file": upload(b"phone\n0912345678\n"), "default_region": "Vietnam"}, 422, "invalid"),
        ({"file": upload(b"phone\n0912345678\n"), "state": "done"}, 422, "unknown_field"),
        ({"file": "not a file"}, 422, "invalid"),
    ],
)
def test_an_upload_is_refused_with_a_reason(integrator, fields, status, code):
    answer = integrator.post(f"{LISTS}{make_list().pk}/imports/", fields, format="multipart")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert ImportJob.objects.count() == 0


def test_an_upload_must_be_a_form(integrator):
    answer = integrator.post(f"{LISTS}{make_list().pk}/imports/", {"file": "x"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("size_bytes", [101, 2_000_000])
def test_an_upload_over_the_limit_is_refused(integrator, settings, size_bytes):
    settings.IMPORT_MAX_BYTES = 100
    answer = integrator.post(
        f"{LISTS}{make_list().pk}/imports/", {"file": upload(b"phone\n" + b"1" * size_bytes)}, format="multipart"
    )
    assert (answer.status_code, answer.json()["code"], ImportJob.objects.count()) == (413, "file_too_large", 0)
