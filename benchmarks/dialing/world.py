"""Tables as a large installation has them, made by the database itself. Django must be set up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from campaigns.models import BridgeNode, Campaign, CustomerList, Trunk
from tests.factories import make_campaign

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ALWAYS: Final = {"days": {day: [["00:00", "24:00"]] for day in DAYS}}
NO_LIMITS: Final[dict[str, Any]] = {"calls_per_second": 1e6, "max_concurrent_calls": 100_000}

# Half of the contacts are through, a quarter is due, a quarter waits for its time.
CONTACTS: Final = """
    INSERT INTO campaigns_contact (
        campaign_id, customer_id, phone_number, name, timezone, attributes, state, state_reason, next_attempt_at,
        priority, attempts_made, releases, last_outcome, disposition, updated_at
    )
    SELECT %s, c.id, c.phone_number, c.name, c.timezone, c.attributes,
        CASE WHEN c.id %% 4 < 2 THEN 'done' ELSE 'pending' END, CASE c.id %% 4 WHEN 3 THEN 'no_answer' ELSE '' END,
        CASE c.id %% 4
            WHEN 2 THEN %s::timestamptz - interval '1 s' * (c.id %% 3600)
            WHEN 3 THEN %s::timestamptz + interval '1 s' * (c.id %% 86400)
        END, 0, 0, 0, '', '', now()
    FROM campaigns_customer c ORDER BY c.id OFFSET %s LIMIT %s
"""
CUSTOMERS: Final = """
    INSERT INTO campaigns_customer (phone_number, name, timezone, attributes, created_at, updated_at)
    SELECT '+84' || 900000000 + n, 'Customer ' || n, 'Asia/Ho_Chi_Minh', '{"plan": "gold"}', now(), now()
    FROM generate_series(%s::bigint, %s) n
"""
# One ended attempt for everybody who is through, spread over two days; a third was answered.
ATTEMPTS: Final = """
    INSERT INTO campaigns_callattempt (
        id, contact_id, campaign_id, trunk_id, phone_number, extension, number, state, outcome, reason, hangup_cause,
        fence, posts, token_digest, switch_call_id, recording_url, claimed_at, dispatched_at, placed_at, answered_at,
        ended_at, is_test, is_counted
    )
    SELECT gen_random_uuid(), t.id, t.campaign_id, %s, t.phone_number, '', 1, 'ended',
        CASE WHEN t.id %% 3 = 0 THEN 'answered' ELSE 'no_answer' END, '', '', 1, 1, '', 'past-' || t.id, '',
        past.at, past.at, past.at, CASE WHEN t.id %% 3 = 0 THEN past.at + interval '9 s' END,
        past.at + interval '60 s', false, true
    FROM campaigns_contact t, LATERAL (SELECT %s::timestamptz - interval '1 s' * (120 + t.id %% 172800) AS at) past
    WHERE t.campaign_id = %s AND t.state = 'done'
"""
CALLS: Final = """
    INSERT INTO campaigns_call (
        id, protocol, vendor_call_id, attempt_id, customer_number, own_number, is_outbound, agent_id, agent_version,
        parameters, started_at, last_seen_at, ended_at, ended_by, disposition, answers, transferred_to, callback_note,
        is_agent_broken, metrics, recording_path, switch_recording_path, is_processed
    )
    SELECT gen_random_uuid(), 'psr', a.switch_call_id, a.id, a.phone_number, '', true, %s, 1, '{}', a.answered_at,
        a.ended_at, a.ended_at, 'customer_hangup', '', '[]', '', '', false, '{}', '', '', true
    FROM campaigns_callattempt a WHERE a.campaign_id = %s AND a.outcome = 'answered'
"""
ENTRIES: Final = """
    INSERT INTO campaigns_listentry (list_id, customer_id, attributes)
    SELECT %s, id, '{"plan": "silver"}' FROM campaigns_customer ORDER BY id LIMIT %s
"""
# Nobody is being called any more, and whoever was waits again.
REST: Final = (
    """
    UPDATE campaigns_callattempt SET state = 'ended', outcome = 'no_answer', ended_at = claimed_at, deadline_at = NULL,
        number = NULL, switch_call_id = NULL
    WHERE state <> 'ended'
    """,
    """
    UPDATE campaigns_contact SET state = 'pending', next_attempt_at = now() - interval '1 hour' WHERE state = 'dialing'
    """,
)


def run(statement: str, parameters: Sequence[Any] = ()) -> None:
    """One statement, however long it takes."""
    with connection.cursor() as cursor:
        # From here on in this session: a busy machine is no fault.
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("SET idle_in_transaction_session_timeout = 0")
        cursor.execute(statement, parameters or None)


def settle() -> None:
    """What autovacuum would have done by now."""
    run("VACUUM ANALYZE")


def rest() -> None:
    """End every open attempt."""
    for statement in REST:
        run(statement)


def add_bridge(now: datetime) -> None:
    """A bridge with room for everybody."""
    BridgeNode.objects.create(name="bench", capacity=100_000, seen_at=now + timedelta(days=1))


def add_campaign(name: str, trunk: Trunk, now: datetime, **fields: Any) -> Campaign:
    """A running campaign whose window is always open."""
    limits = {**NO_LIMITS, **fields}
    return make_campaign(name, trunk=trunk, calling_window=ALWAYS, contacts_filled_at=now, launched_at=now, **limits)


def grow(campaign: Campaign, first: int, size: int, now: datetime) -> None:
    """Let the customers, and the campaign's contacts, number `size`; there are `first` of them."""
    run(CUSTOMERS, [first, size - 1])
    add_contacts(campaign, first, size, now)


def add_contacts(campaign: Campaign, first: int, end: int, now: datetime) -> None:
    """Make the customers from `first` to before `end`, in order of their making, contacts."""
    run(CONTACTS, [campaign.pk, now, now, first, end - first])


def add_history(campaign: Campaign, now: datetime) -> None:
    """The attempts and calls of the contacts that are through."""
    run(ATTEMPTS, [campaign.trunk_id, now, campaign.pk])
    run(CALLS, [campaign.agent_id, campaign.pk])


def add_list(customers: int) -> CustomerList:
    """A list with so many of the customers."""
    made = CustomerList.objects.create(name="Everybody", columns=["plan"])
    run(ENTRIES, [made.pk, customers])
    return made
