"""Rows for tests, as few words as possible: every factory fills in what the test does not care about.

Nothing here goes through services, so a test may build any state it wants to look at. Moments default to `NOW`,
numbers count up, and each factory makes the rows it hangs on when it is not given them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.models import Group, User

from campaigns.enums import (
    PSR,
    AttemptState,
    CampaignState,
    ContactState,
    EndedBy,
    Outcome,
    Role,
    SpeakerKind,
)
from campaigns.models import (
    Agent,
    AttemptLog,
    Call,
    CallAttempt,
    Campaign,
    Contact,
    Customer,
    CustomerList,
    ListEntry,
    StreamEndpoint,
    TranscriptTurn,
    Trunk,
)

NOW = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
PASSWORD = "correct horse battery staple"
_serial = itertools.count(1)


def make_user(username: str = "ada", *, role: Role | None = None, **fields: Any) -> User:
    """A person who can sign in with `PASSWORD`, in the group of `role` when one is given."""
    user = User.objects.create_user(username, password=PASSWORD, **fields)
    if role is not None:
        user.groups.add(Group.objects.get_or_create(name=role.value)[0])
    return user


def make_agent(name: str = "Survey agent", **fields: Any) -> Agent:
    return Agent.objects.get_or_create(name=name, defaults=fields)[0]


def make_trunk(name: str = "Main trunk", **fields: Any) -> Trunk:
    defaults = {"base_url": "https://psr.example.com", "token": "trunk-token", **fields}
    return Trunk.objects.get_or_create(name=name, defaults=defaults)[0]


def make_list(name: str = "", *, customers: Iterable[Customer] = (), **fields: Any) -> CustomerList:
    made = CustomerList.objects.create(name=name or f"List {next(_serial)}", **fields)
    ListEntry.objects.bulk_create(ListEntry(list=made, customer=customer) for customer in customers)
    return made


def make_customer(phone_number: str = "", **fields: Any) -> Customer:
    number = next(_serial)
    defaults = {"name": f"Customer {number}", "timezone": "Asia/Ho_Chi_Minh", **fields}
    return Customer.objects.create(phone_number=phone_number or f"+8491{number:07}", **defaults)


def make_campaign(name: str = "", *, state: CampaignState = CampaignState.RUNNING, **fields: Any) -> Campaign:
    """A campaign without contacts; a running one was launched an hour before `NOW`."""
    if state not in (CampaignState.DRAFT, CampaignState.SCHEDULED):
        fields.setdefault("launched_at", NOW - timedelta(hours=1))
    return Campaign.objects.create(
        name=name or f"Campaign {next(_serial)}",
        state=state,
        agent=fields.pop("agent", None) or make_agent(),
        trunk=fields.pop("trunk", None) or make_trunk(),
        **fields,
    )


def make_contact(
    campaign: Campaign | None = None,
    *,
    customer: Customer | None = None,
    state: ContactState = ContactState.PENDING,
    **fields: Any,
) -> Contact:
    customer = customer or make_customer()
    if state is ContactState.PENDING:
        fields.setdefault("next_attempt_at", NOW)
    return Contact.objects.create(
        campaign=campaign or make_campaign(),
        customer=customer,
        phone_number=customer.phone_number,
        name=fields.pop("name", customer.name),
        timezone=customer.timezone,
        state=state,
        **fields,
    )


def make_attempt(
    contact: Contact | None = None,
    *,
    outcome: Outcome | None = None,
    at: datetime = NOW,
    is_counted: bool | None = None,
    **fields: Any,
) -> CallAttempt:
    """One attempt claimed at `at`. With an outcome it has ended 30 s later; without, it is being placed.

    Whether it is counted is known, and by default true, when it has ended.
    """
    contact = contact or make_contact()
    if outcome is None:
        fields.setdefault("state", AttemptState.PLACED)
        fields.setdefault("deadline_at", at + timedelta(minutes=1))
    else:
        fields.setdefault("ended_at", at + timedelta(seconds=30))
        fields["state"] = AttemptState.ENDED
        fields["outcome"] = outcome
        if outcome in (Outcome.ANSWERED, Outcome.MACHINE):
            fields.setdefault("answered_at", at + timedelta(seconds=8))
    attempt = CallAttempt.objects.create(
        contact=contact,
        campaign=contact.campaign,
        trunk=contact.campaign.trunk,
        phone_number=contact.phone_number,
        number=fields.pop("number", contact.attempts.count() + 1),
        claimed_at=at,
        dispatched_at=fields.pop("dispatched_at", at + timedelta(seconds=1)),
        placed_at=fields.pop("placed_at", at + timedelta(seconds=2)),
        is_counted=outcome is not None if is_counted is None else is_counted,
        posts=1,
        **fields,
    )
    AttemptLog.objects.create(attempt=attempt, at=at, to_state=AttemptState.CLAIMED, reason="due")
    return attempt


@dataclass(frozen=True, slots=True)
class Line:
    """One thing said, for `make_call`. `heard` is set when the customer heard less than all of it."""

    speaker: SpeakerKind
    text: str
    start_ms: int
    end_ms: int
    heard: str | None = None


CONVERSATION = (
    Line(SpeakerKind.AGENT, "Hello, this is the service desk. Do you have a minute?", 400, 3900),
    Line(SpeakerKind.CUSTOMER, "Yes.", 4700, 5200),
    Line(SpeakerKind.AGENT, "Was your problem solved when you last called?", 6000, 7800, heard="Was your problem"),
    Line(SpeakerKind.CUSTOMER, "Yes, it was.", 7600, 8900),
    Line(SpeakerKind.AGENT, "Thank you. Goodbye.", 9600, 11200),
)


def make_call(
    attempt: CallAttempt | None = None,
    *,
    lines: Iterable[Line] = CONVERSATION,
    started_at: datetime | None = None,
    duration_s: float | None = 12.0,
    **fields: Any,
) -> Call:
    """An answered call with its turns. `duration_s=None` leaves it live, and its attempt in call."""
    if attempt is None:
        attempt = _answered_attempt(is_live=duration_s is None, started_at=started_at)
    started_at = started_at or attempt.answered_at or NOW
    if duration_s is not None:
        fields.setdefault("ended_at", started_at + timedelta(seconds=duration_s))
        fields.setdefault("ended_by", EndedBy.CUSTOMER_HANGUP)
    call = Call.objects.create(
        protocol=PSR,
        vendor_call_id=fields.pop("vendor_call_id", f"psr-{next(_serial)}"),
        attempt=attempt,
        agent=attempt.campaign.agent,
        agent_version=attempt.campaign.agent.version,
        started_at=started_at,
        last_seen_at=fields.pop("last_seen_at", started_at),
        **fields,
    )
    add_turns(call, lines)
    return call


def make_endpoint(name: str = "Hotline", protocol: str = "ucid", **fields: Any) -> StreamEndpoint:
    """A vendor's door that nobody has the key of."""
    defaults = {"agent": fields.pop("agent", None) or make_agent(), "key_prefix": "tls_00000000", "key_made_at": NOW}
    defaults |= {"protocol": protocol, "key_digest": f"{next(_serial):064x}", **fields}
    return StreamEndpoint.objects.get_or_create(name=name, defaults=defaults)[0]


def make_stream_call(
    endpoint: StreamEndpoint | None = None,
    *,
    lines: Iterable[Line] = CONVERSATION,
    duration_s: float | None = 12.0,
    **fields: Any,
) -> Call:
    """A call that came to us, with its turns, begun at `NOW`. `duration_s=None` leaves it live."""
    endpoint = endpoint or make_endpoint()
    if duration_s is not None:
        fields.setdefault("ended_at", NOW + timedelta(seconds=duration_s))
        fields.setdefault("ended_by", EndedBy.CUSTOMER_HANGUP)
    defaults = {"customer_number": "+84901234567", "own_number": "+842838123456", "is_outbound": False, **fields}
    call = Call.objects.create(
        protocol=endpoint.protocol,
        vendor_call_id=defaults.pop("vendor_call_id", f"vendor-{next(_serial)}"),
        endpoint=endpoint,
        agent=endpoint.agent,
        agent_version=endpoint.agent.version,
        started_at=NOW,
        last_seen_at=NOW,
        **defaults,
    )
    add_turns(call, lines)
    return call


def _answered_attempt(*, is_live: bool, started_at: datetime | None) -> CallAttempt:
    answered_at = started_at or NOW
    at = answered_at - timedelta(seconds=8)
    if not is_live:
        return make_attempt(outcome=Outcome.ANSWERED, at=at, answered_at=answered_at)
    contact = make_contact(state=ContactState.DIALING)
    return make_attempt(contact, at=at, state=AttemptState.IN_CALL, answered_at=answered_at)


def add_turns(call: Call, lines: Iterable[Line]) -> list[TranscriptTurn]:
    """Append these lines to a call's transcript, as the bridge does while it lasts."""
    first = call.turns.count() + 1
    return TranscriptTurn.objects.bulk_create(
        TranscriptTurn(
            call=call,
            seq=seq,
            speaker=line.speaker,
            text=line.text,
            heard_text="" if line.heard is None else line.heard,
            is_interrupted=line.heard is not None,
            start_ms=line.start_ms,
            end_ms=line.end_ms,
        )
        for seq, line in enumerate(lines, start=first)
    )
