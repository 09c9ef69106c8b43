"""Claims: limits counted from open rows, campaigns in turn, no contact twice."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime, timedelta

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from campaigns.enums import AttemptState, CampaignState, ContactState, Outcome, TrunkHold
from campaigns.models import BridgeNode, CallAttempt, Campaign, Contact, Customer, Trunk
from campaigns.policies.calling_window import OPENING_SPREAD
from campaigns.policies.eligibility import Gate
from campaigns.queries.dialing import due_contacts
from campaigns.services.bridge_nodes import free_bridge_slots, heartbeat, retire
from campaigns.services.claiming import claim_due
from tests.factories import NOW, make_attempt, make_campaign, make_contact, make_customer, make_trunk

pytestmark = pytest.mark.django_db

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@pytest.fixture(autouse=True)
def bridge(db) -> BridgeNode:
    return BridgeNode.objects.create(name="b1", capacity=1000, seen_at=NOW)


def fast_trunk(**fields) -> Trunk:
    return make_trunk(**{"calls_per_second": 100, "max_concurrent_calls": 100, **fields})


def fast_campaign(trunk: Trunk | None = None, *, contacts: int = 0, **fields) -> Campaign:
    limits = {"calls_per_second": 100, "max_concurrent_calls": 100, **fields}
    campaign = make_campaign(trunk=trunk or fast_trunk(), **limits)
    for _ in range(contacts):
        make_contact(campaign)
    return campaign


def claimed_contacts(trunk: Trunk, now: datetime = NOW) -> list[Contact]:
    return [CallAttempt.objects.get(pk=claim.attempt_id).contact for claim in claim_due(trunk.pk, now=now)]


def test_claim_writes_a_leased_attempt_and_marks_the_contact(settings) -> None:
    contact = make_contact(fast_campaign(), attempts_made=1)
    (claim,) = claim_due(contact.campaign.trunk_id, now=NOW)
    attempt = CallAttempt.objects.get(pk=claim.attempt_id)
    contact.refresh_from_db()
    assert (attempt.state, attempt.number, attempt.phone_number) == (AttemptState.CLAIMED, 2, contact.phone_number)
    assert attempt.deadline_at == NOW + timedelta(seconds=settings.CLAIM_LEASE_S)
    assert (contact.state, contact.next_attempt_at) == (ContactState.DIALING, None)
    assert list(attempt.log.values_list("from_state", "to_state")) == [("", AttemptState.CLAIMED)]


def test_claim_takes_nobody_twice() -> None:
    campaign = fast_campaign(contacts=3)
    assert len(claim_due(campaign.trunk_id, now=NOW)) == 3
    assert claim_due(campaign.trunk_id, now=NOW) == []


@pytest.mark.parametrize(
    "change",
    [
        {"is_enabled": False},
        {"token": ""},
        {"hold": TrunkHold.MANUAL},
        {"throttled_until": NOW + timedelta(seconds=1)},
    ],
)
def test_claim_leaves_a_trunk_that_may_not_dial(change) -> None:
    campaign = fast_campaign(contacts=1)
    Trunk.objects.filter(pk=campaign.trunk_id).update(**change)
    assert claim_due(campaign.trunk_id, now=NOW) == []


@pytest.mark.parametrize("state", sorted(set(CampaignState) - {CampaignState.RUNNING}))
def test_claim_leaves_a_campaign_that_is_not_running(state: CampaignState) -> None:
    campaign = fast_campaign(contacts=1, state=state)
    assert claim_due(campaign.trunk_id, now=NOW) == []


@pytest.mark.parametrize(
    ("trunk", "campaign", "expected"),
    [
        ({"max_concurrent_calls": 3}, {}, 1),
        ({}, {"max_concurrent_calls": 4}, 2),
        ({"calls_per_second": 3}, {}, 4),
        ({}, {"calls_per_second": 4}, 5),
        ({"calls_per_second": 0.1}, {}, 1),
    ],
)
def test_claim_keeps_every_limit(trunk, campaign, expected) -> None:
    made = fast_campaign(fast_trunk(**trunk), contacts=8, **campaign)
    for state in (AttemptState.PLACED, AttemptState.IN_CALL):
        make_attempt(make_contact(made, state=ContactState.DIALING), state=state)
    make_attempt(make_contact(made, state=ContactState.DONE), outcome=Outcome.ANSWERED)
    assert len(claim_due(made.trunk_id, now=NOW)) == expected


def test_claim_keeps_the_pace_over_time() -> None:
    campaign = fast_campaign(fast_trunk(calls_per_second=2), contacts=30)
    starts = []
    for tenth in range(101):
        claims = claim_due(campaign.trunk_id, now=NOW + timedelta(seconds=tenth / 10))
        starts += [tenth / 10 + claim.start_in_s for claim in claims]
    assert starts == pytest.approx([place / 2 for place in range(len(starts))])
    assert len(starts) >= 22


def test_claim_after_a_throttle_starts_at_half_pace_and_recovers() -> None:
    campaign = fast_campaign(fast_trunk(calls_per_second=10, throttled_until=NOW), contacts=60)
    assert [claim.start_in_s for claim in claim_due(campaign.trunk_id, now=NOW)][:3] == pytest.approx([0, 0.2, 0.4])
    heartbeat(name="b1", capacity=1000, live_calls=0, is_draining=False, now=NOW + timedelta(minutes=9))
    later = claim_due(campaign.trunk_id, now=NOW + timedelta(minutes=5))
    assert [claim.start_in_s for claim in later][:3] == pytest.approx([0, 0.1, 0.2])


@pytest.mark.parametrize(
    ("nodes", "in_flight", "expected"),
    [
        ([], 0, 0),
        ([{"capacity": 4}], 0, 4),
        ([{"capacity": 4, "live_calls": 1}], 0, 3),
        ([{"capacity": 4}], 3, 1),
        ([{"capacity": 4, "is_draining": True}], 0, 0),
        ([{"capacity": 4, "seen_at": NOW - timedelta(seconds=16)}], 0, 0),
        ([{"capacity": 2}, {"capacity": 3}], 0, 5),
    ],
)
def test_claim_takes_no_more_than_the_bridges_can(nodes, in_flight, expected) -> None:
    BridgeNode.objects.all().delete()
    for name, node in enumerate(nodes):
        BridgeNode.objects.create(name=str(name), **{"seen_at": NOW, **node})
    campaign = fast_campaign(contacts=8)
    for _ in range(in_flight):
        make_attempt(make_contact(campaign, state=ContactState.DIALING), state=AttemptState.PLACED)
    assert free_bridge_slots(NOW) == expected
    assert len(claim_due(campaign.trunk_id, now=NOW)) == expected


def test_a_node_that_retires_takes_no_calls() -> None:
    heartbeat(name="b2", capacity=5, live_calls=2, is_draining=False, now=NOW)
    assert free_bridge_slots(NOW) == 1003
    retire(name="b1")
    assert free_bridge_slots(NOW) == 3


def test_claim_takes_the_important_then_the_longest_waiting() -> None:
    campaign = fast_campaign(fast_trunk(max_concurrent_calls=3))
    made = {
        name: make_contact(campaign, priority=priority, next_attempt_at=NOW - timedelta(minutes=waited), name=name)
        for name, priority, waited in (
            ("late", 0, 1),
            ("early", 0, 9),
            ("urgent", 5, 1),
            ("urgent, not due", 9, -1),
        )
    }
    assert [contact.name for contact in claimed_contacts(campaign.trunk)] == ["urgent", "early", "late"]
    assert Contact.objects.get(pk=made["urgent, not due"].pk).state == ContactState.PENDING


def test_claim_walks_more_priorities_than_it_asks_one_by_one() -> None:
    campaign = fast_campaign()
    for priority in range(20):
        make_contact(campaign, priority=priority)
    assert [contact.priority for contact in claimed_contacts(campaign.trunk)] == list(range(19, -1, -1))


def test_campaigns_of_one_priority_take_turns() -> None:
    trunk = fast_trunk(max_concurrent_calls=5)
    first, second = fast_campaign(trunk, contacts=9), fast_campaign(trunk, contacts=9)
    assert Counter(contact.campaign_id for contact in claimed_contacts(trunk)) == {first.pk: 3, second.pk: 2}


def test_a_campaign_that_waited_longer_has_the_next_turn() -> None:
    trunk = fast_trunk(calls_per_second=1)
    campaigns = [fast_campaign(trunk, contacts=3) for _ in range(3)]
    served = [
        one.campaign_id for second in range(6) for one in claimed_contacts(trunk, NOW + timedelta(seconds=second))
    ]
    assert Counter(served[:3]) == Counter(campaign.pk for campaign in campaigns)
    assert served[3:6] == served[:3]


def test_campaigns_share_by_weight_from_claim_to_claim() -> None:
    trunk = fast_trunk(calls_per_second=1)
    heavy, light = fast_campaign(trunk, contacts=20, weight=3), fast_campaign(trunk, contacts=20)
    served = [
        contact.campaign_id
        for second in range(2, 22)
        for contact in claimed_contacts(trunk, NOW + timedelta(seconds=second))
    ]
    counts = Counter(served)
    assert counts[heavy.pk] + counts[light.pk] == len(served)
    assert abs(counts[heavy.pk] - 3 * counts[light.pk]) <= 3


def test_a_campaign_that_was_passed_over_for_a_minute_has_a_call() -> None:
    trunk = fast_trunk(max_concurrent_calls=2)
    fast_campaign(trunk, contacts=9, priority=9, bucket_at=NOW - timedelta(seconds=1))
    low = fast_campaign(trunk, contacts=9, bucket_at=NOW - timedelta(seconds=61))
    assert Counter(contact.campaign_id for contact in claimed_contacts(trunk))[low.pk] == 1


def test_a_slow_campaign_of_high_priority_leaves_the_rest_to_the_others() -> None:
    trunk = fast_trunk(calls_per_second=10)
    slow = fast_campaign(trunk, contacts=30, priority=9, calls_per_second=1)
    rest = fast_campaign(trunk, contacts=30)
    counts = Counter(contact.campaign_id for contact in claimed_contacts(trunk))
    assert counts == {slow.pk: 2, rest.pk: 11}


def test_a_campaign_of_higher_priority_goes_first() -> None:
    trunk = fast_trunk(max_concurrent_calls=4)
    fast_campaign(trunk, contacts=9)
    urgent = fast_campaign(trunk, contacts=3, priority=1)
    assert Counter(contact.campaign_id for contact in claimed_contacts(trunk))[urgent.pk] == 3


def test_one_number_in_two_campaigns_is_claimed_once() -> None:
    trunk = fast_trunk()
    customer = make_customer()
    for _ in range(2):
        make_contact(fast_campaign(trunk), customer=customer)
    assert len(claim_due(trunk.pk, now=NOW)) == 1
    (waiting,) = Contact.objects.filter(state=ContactState.PENDING)
    assert waiting.next_attempt_at == NOW + timedelta(seconds=60)
    assert waiting.state_reason == "number_in_another_call"


def window(start: str, end: str, timezone: str = "") -> dict[str, object]:
    return {"timezone": timezone, "days": {day: [[start, end]] for day in DAYS}}


def test_contacts_outside_their_window_are_put_off_and_the_others_claimed() -> None:
    campaign = fast_campaign(calling_window=window("08:00", "20:00"))
    for _ in range(5):
        make_contact(campaign, customer=make_customer(timezone="America/New_York"))
    here = make_contact(campaign, customer=make_customer(timezone="Asia/Ho_Chi_Minh"))
    assert claimed_contacts(campaign.trunk) == [here]
    put_off = Contact.objects.filter(state=ContactState.PENDING)
    # 08:00 in New York in November.
    opens_at = NOW.replace(hour=13, minute=0)
    waiting = list(put_off.values_list("next_attempt_at", "state_reason"))
    assert all(at and opens_at <= at < opens_at + OPENING_SPREAD for at, _ in waiting)
    assert {reason for _, reason in waiting} == {"outside_window"}
    assert len(waiting) == len(set(waiting)) == 5
    assert CallAttempt.objects.count() == 1


def test_a_campaign_whose_own_window_is_closed_touches_no_contact() -> None:
    campaign = fast_campaign(contacts=2, calling_window=window("20:00", "21:00", "UTC"))
    assert claim_due(campaign.trunk_id, now=NOW) == []
    assert set(Contact.objects.values_list("next_attempt_at", flat=True)) == {NOW}


def test_a_window_that_never_opens_does_not_stop_the_tick() -> None:
    campaign = fast_campaign(contacts=1, calling_window={})
    assert claim_due(campaign.trunk_id, now=NOW) == []
    assert Contact.objects.get().next_attempt_at == NOW + timedelta(days=1)


def test_a_campaign_whose_rules_cannot_be_read_stops_nobody_else() -> None:
    trunk = fast_trunk()
    fast_campaign(trunk, contacts=1, calling_window={"days": 7}, priority=9)
    healthy = fast_campaign(trunk, contacts=1)
    assert [contact.campaign_id for contact in claimed_contacts(trunk)] == [healthy.pk]


def test_the_number_decides_the_zone_where_nobody_named_one() -> None:
    campaign = fast_campaign(calling_window=window("08:00", "20:00"))
    make_contact(campaign, customer=make_customer("+12125550100", timezone=""))
    assert claim_due(campaign.trunk_id, now=NOW) == []


@pytest.mark.skipif(connection.vendor == "sqlite", reason="threads share one in-memory database; see tests/history")
@pytest.mark.django_db(transaction=True)
def test_parallel_claims_do_not_overlap_and_keep_the_limits() -> None:
    trunk = fast_trunk(calls_per_second=1000, max_concurrent_calls=60)
    campaigns = [fast_campaign(trunk, calls_per_second=1000, max_concurrent_calls=50) for _ in range(3)]
    for campaign in campaigns:
        for _ in range(40):
            make_contact(campaign)
    claimed: list[object] = []
    faults: list[BaseException] = []

    def claim_repeatedly() -> None:
        try:
            for _ in range(5):
                claimed.extend(claim.attempt_id for claim in claim_due(trunk.pk, now=NOW))
        except BaseException as fault:  # noqa: BLE001  reported by the test itself
            faults.append(fault)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=claim_repeatedly) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(claimed) == len(set(claimed)) == CallAttempt.objects.count() == 60
    assert max(Counter(CallAttempt.objects.values_list("contact_id", flat=True)).values()) == 1


@pytest.mark.skipif(connection.vendor != "postgresql", reason="reads PostgreSQL's plan")
def test_claim_reads_the_partial_index_without_sorting() -> None:
    campaign = fast_campaign()
    customers = Customer.objects.bulk_create(
        Customer(phone_number=f"+8498{number:07}", name="", attributes={}) for number in range(3000)
    )
    Contact.objects.bulk_create(
        Contact(campaign=campaign, customer=customer, phone_number=customer.phone_number, next_attempt_at=NOW)
        for customer in customers
    )
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {Contact._meta.db_table}")
    with CaptureQueriesContext(connection) as queries:
        assert len(list(due_contacts(campaign, now=NOW, limit=5))) == 5
    locking = [query["sql"] for query in queries if "SKIP LOCKED" in query["sql"]]
    for query, index in zip(locking, ("contact_callback_due", "contact_due"), strict=True):
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {query}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert index in plan
        assert "Sort" not in plan


@pytest.mark.skipif(connection.vendor != "postgresql", reason="reads PostgreSQL's plan")
def test_a_claim_among_a_hundred_thousand_contacts_reads_indexes_alone() -> None:
    trunk = fast_trunk()
    campaigns = [fast_campaign(trunk) for _ in range(20)]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO campaigns_customer (phone_number, name, timezone, attributes, created_at, updated_at)
            SELECT '+8498' || lpad(n::text, 7, '0'), '', 'UTC', '{}', now(), now() FROM generate_series(0, 4999) n
            """
        )
        cursor.execute(
            """
            INSERT INTO campaigns_contact (
                campaign_id, customer_id, phone_number, name, timezone, attributes, state, state_reason,
                next_attempt_at, priority, attempts_made, releases, last_outcome, disposition, updated_at
            )
            SELECT one.id, c.id, '+84' || 900000000 + row_number() OVER (), '', 'UTC', '{}', 'pending', '',
                %s::timestamptz + interval '1 hour' * (c.id %% 2 * 2 - 1), 0, 0, 0, '', '', now()
            FROM campaigns_customer c CROSS JOIN unnest(%s::bigint[]) one (id)
            """,
            [NOW, [campaign.pk for campaign in campaigns]],
        )
        cursor.execute("ANALYZE campaigns_contact")
    with CaptureQueriesContext(connection) as queries:
        assert len(claim_due(trunk.pk, now=NOW)) == 50
    of_contacts = [query["sql"] for query in queries if f'FROM "{Contact._meta.db_table}"' in query["sql"]]
    indexes = set()
    for statement in of_contacts:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {statement}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert "Seq Scan on campaigns_contact" not in plan
        indexes |= {name for name in ("contact_waiting", "contact_due", "contact_callback_due") if name in plan}
    # One statement finds who has somebody due; after it, one for each campaign that is served.
    assert len(of_contacts) == 21
    assert indexes == {"contact_waiting", "contact_due", "contact_callback_due"}


def test_a_claim_asks_as_often_for_many_idle_campaigns_as_for_none() -> None:
    trunk = fast_trunk()
    served = fast_campaign(trunk, contacts=3, max_concurrent_calls=3)
    claim_due(trunk.pk, now=NOW)

    def statements(at: datetime) -> int:
        Contact.objects.filter(campaign=served).update(state=ContactState.PENDING, next_attempt_at=at)
        CallAttempt.objects.all().delete()
        with CaptureQueriesContext(connection) as queries:
            assert len(claim_due(trunk.pk, now=at)) == 3
        around = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
        return len([query for query in queries if not query["sql"].startswith(around)])

    alone = statements(NOW + timedelta(seconds=2))
    for _ in range(10):
        make_contact(fast_campaign(trunk), next_attempt_at=NOW + timedelta(hours=1))
    assert statements(NOW + timedelta(seconds=4)) == alone
    # Trunk, nodes, lines, campaigns, closed dates, contacts; attempts, their log, contacts, trunk, campaigns.
    assert alone == 11


def test_a_campaign_that_has_fewer_due_than_its_share_leaves_the_rest_to_the_others() -> None:
    trunk = fast_trunk(max_concurrent_calls=10)
    few, many = fast_campaign(trunk, contacts=2), fast_campaign(trunk, contacts=20)
    closed = fast_campaign(trunk, contacts=3, calling_window=window("20:00", "21:00"), priority=9)
    counts = Counter(contact.campaign_id for contact in claimed_contacts(trunk))
    assert counts == {few.pk: 2, many.pk: 8}
    assert set(Contact.objects.filter(campaign=closed).values_list("state_reason", flat=True)) == {"outside_window"}


def shared_by(campaigns: int, customers: int) -> list[Campaign]:
    """Campaigns of one trunk that all call the same customers, in the same order."""
    trunk = fast_trunk()
    made = [fast_campaign(trunk) for _ in range(campaigns)]
    people = [make_customer() for _ in range(customers)]
    for campaign in made:
        for customer in people:
            make_contact(campaign, customer=customer)
    return made


@pytest.mark.parametrize("count", [2, 3, 6])
def test_campaigns_that_share_a_list_call_different_people_of_it(count: int) -> None:
    first, *others = shared_by(count, customers=80)
    claimed = claimed_contacts(first.trunk)
    assert len({contact.phone_number for contact in claimed}) == len(claimed) == 50
    by_campaign = Counter(contact.campaign_id for contact in claimed)
    assert set(by_campaign) == {campaign.pk for campaign in (first, *others)}
    assert max(by_campaign.values()) - min(by_campaign.values()) <= 2


def test_a_start_goes_to_somebody_else_where_the_number_is_in_a_call() -> None:
    called, calling = shared_by(2, customers=5)
    talking = called.contacts.order_by("pk")[:3]
    for contact in talking:
        make_attempt(contact, state=AttemptState.IN_CALL)
    called.contacts.update(state=ContactState.DIALING, next_attempt_at=None)
    claimed = claimed_contacts(calling.trunk)
    assert len(claimed) == 2
    waiting = calling.contacts.filter(state=ContactState.PENDING)
    assert set(waiting.values_list("phone_number", flat=True)) == {contact.phone_number for contact in talking}
    assert set(waiting.values_list("state_reason", "next_attempt_at")) == {
        (Gate.NUMBER_BUSY, NOW + timedelta(seconds=60))
    }
    # Nobody's place among the starts was spent on them.
    calling.refresh_from_db()
    assert calling.share_used == 2
