"""Many rows in one statement, on whichever database this runs."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from campaigns.enums import AttemptState, ContactState
from campaigns.models import AttemptLog, CallAttempt, Campaign, Contact
from campaigns.services.row_sets import insert_alike, update_alike
from tests.factories import NOW, make_attempt, make_campaign, make_contact

pytestmark = pytest.mark.django_db

QUOTED = "Nguyễn “Văn” 'An' \\ \"%s\" $.id \N{SNOWMAN}"


def test_rows_are_inserted_as_the_models_would_store_them() -> None:
    contacts = [make_contact() for _ in range(2)]
    like = CallAttempt(trunk=contacts[0].campaign.trunk, state=AttemptState.CLAIMED, claimed_at=NOW, deadline_at=NOW)
    varying = ("id", "contact_id", "campaign_id", "phone_number", "number", "dispatched_at", "allowed_by")
    rows = [
        (uuid4(), contact.pk, contact.campaign_id, contact.phone_number, number, at, None)
        for contact, number, at in zip(contacts, (1, None), (None, NOW), strict=True)
    ]
    assert insert_alike(like, varying, rows) == {row[0] for row in rows}
    for row in rows:
        stored = CallAttempt.objects.get(pk=row[0])
        assert tuple(getattr(stored, name) for name in varying) == row
        assert (stored.state, stored.claimed_at, stored.is_test) == (AttemptState.CLAIMED, NOW, False)


def test_rows_that_a_unique_index_refuses_are_left_out() -> None:
    attempt = make_attempt(state=AttemptState.CLAIMED)
    other = make_contact(attempt.campaign)
    like = CallAttempt(trunk=attempt.trunk, campaign=attempt.campaign, claimed_at=NOW, deadline_at=NOW)
    lost, won = uuid4(), uuid4()
    rows = [(lost, attempt.contact_id, attempt.phone_number), (won, other.pk, other.phone_number)]
    assert insert_alike(like, ("id", "contact_id", "phone_number"), rows) == {won}


def test_rows_get_numbers_in_their_order() -> None:
    attempts = [make_attempt() for _ in range(5)]
    like = AttemptLog(at=NOW, to_state=AttemptState.CLAIMED, reason="in order")
    insert_alike(like, ("attempt_id",), [(attempt.pk,) for attempt in reversed(attempts)])
    logged = list(AttemptLog.objects.filter(reason="in order").order_by("pk").values_list("attempt_id", flat=True))
    assert logged == [attempt.pk for attempt in reversed(attempts)]


def test_rows_are_updated_and_no_others() -> None:
    contacts = [make_contact() for _ in range(3)]
    alike = {"state": ContactState.BLOCKED, "next_attempt_at": None, "updated_at": NOW + timedelta(days=1)}
    update_alike(Contact, alike, ("id", "name"), [(contacts[0].pk, QUOTED), (contacts[1].pk, "")])
    first, second, third = (Contact.objects.get(pk=contact.pk) for contact in contacts)
    assert (first.name, first.state, first.next_attempt_at) == (QUOTED, ContactState.BLOCKED, None)
    assert (second.name, second.updated_at) == ("", NOW + timedelta(days=1))
    assert (third.name, third.state) == (contacts[2].name, ContactState.PENDING)


def test_fractions_and_moments_are_kept_to_the_last_digit() -> None:
    campaigns = [make_campaign() for _ in range(2)]
    at = NOW + timedelta(microseconds=1)
    rows = [(campaigns[0].pk, 0.1 + 0.2, at, 1e-17), (campaigns[1].pk, 1e17 / 3, None, 0.0)]
    update_alike(Campaign, {}, ("id", "bucket_tokens", "bucket_at", "share_used"), rows)
    assert list(Campaign.objects.order_by("pk").values_list("pk", "bucket_tokens", "bucket_at", "share_used")) == rows


def test_no_rows_ask_nothing(django_assert_num_queries) -> None:
    with django_assert_num_queries(0):
        assert insert_alike(AttemptLog(), ("attempt_id",), []) == set()
        update_alike(Contact, {"state": ContactState.BLOCKED}, ("id",), [])
