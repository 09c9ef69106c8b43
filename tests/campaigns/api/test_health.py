"""`/health/live`, `/health/ready` and `/metrics`."""

from __future__ import annotations

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from tests.factories import make_attempt


def test_liveness_asks_nobody(client: Client):
    # Without the database fixture: a query would fail the test.
    answer = client.get("/health/live")
    assert (answer.status_code, answer.json()) == (200, {"is_live": True})
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db
def test_readiness_is_503_with_every_part_named_while_one_is_missing(client: Client):
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json()["is_ready"]) == (503, False)
    assert answer.json()["parts"]["database"] == {"is_ready": True, "detail": ""}
    assert answer.json()["parts"]["bridge"] == {"is_ready": False, "detail": "no bridge process is running"}


@pytest.mark.django_db
def test_metrics_are_in_prometheus_format_and_name_nobody(client: Client):
    attempt = make_attempt()
    answer = client.get("/metrics")
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }
    assert samples["trunkline_attempts_open", "placed"] == 1
    assert samples["trunkline_disk_free_bytes",] > 0
    assert answer["Content-Type"].startswith("text/plain")
    assert not any(text in answer.content.decode() for text in (attempt.phone_number, attempt.contact.name))


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics"])
def test_nothing_is_written_by_watching(client: Client, path: str):
    assert client.post(path).status_code == 405
