"""A small world with one row of everything, for the admin's pages to show."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User

from campaigns.enums import PSR, AttemptState, EndedBy, Outcome, ResultStep, Role, SpeakerKind, WebhookEvent
from campaigns.models import (
    Agent,
    AgentPrompt,
    ApiToken,
    AttemptLog,
    BlackoutDate,
    BridgeNode,
    Call,
    CallAnalysis,
    CallAttempt,
    CallStep,
    Campaign,
    CampaignEvent,
    Contact,
    Customer,
    CustomerList,
    DialingStop,
    DncList,
    DncNumber,
    DncVersion,
    Heartbeat,
    IdempotencyRecord,
    ImportJob,
    ImportReject,
    ListEntry,
    OutboxEvent,
    StreamEndpoint,
    SuppressedNumber,
    TranscriptTurn,
    Trunk,
    WebhookDelivery,
    WebhookDeliveryAttempt,
    WebhookEndpoint,
)

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
PHONE = "+84912345678"
TRUNK_TOKEN = "trunk-token-nobody-may-see"
WEBHOOK_SECRET = "whsec_bm9ib2R5IG1heSBzZWU="


@pytest.fixture
def trunk(db) -> Trunk:
    return Trunk.objects.create(name="Main", base_url="https://psr.example.com", token=TRUNK_TOKEN)


@pytest.fixture
def agent(db) -> Agent:
    return Agent.objects.create(name="Survey")


@pytest.fixture
def customers(db) -> CustomerList:
    customer_list = CustomerList.objects.create(name="March", columns=["plan"])
    customer = Customer.objects.create(phone_number=PHONE, name="An")
    ListEntry.objects.create(list=customer_list, customer=customer, attributes={"plan": "gold"})
    return customer_list


@pytest.fixture
def campaign(trunk: Trunk, agent: Agent, customers: CustomerList) -> Campaign:
    campaign = Campaign.objects.create(name="Spring survey", trunk=trunk, agent=agent)
    campaign.customer_lists.set([customers])
    return campaign


@pytest.fixture
def world(campaign: Campaign, admin_user: User) -> Callable[[type], object]:
    """Gives the one row of a model, all of them belonging together."""
    customer, customer_list = Customer.objects.get(), CustomerList.objects.get()
    job = ImportJob.objects.create(list=customer_list, file_name="march.csv", path="x.csv", created_by=admin_user)
    ImportReject.objects.create(job=job, row_number=3, column="phone", code="bad_phone", reason="No.", raw=["=1+1"])
    contact = Contact.objects.create(campaign=campaign, customer=customer, phone_number=PHONE, next_attempt_at=NOW)
    CampaignEvent.objects.create(campaign=campaign, at=NOW, kind="launch", message="Launched.")
    attempt = CallAttempt.objects.create(
        contact=contact,
        campaign=campaign,
        trunk=campaign.trunk,
        phone_number=PHONE,
        number=1,
        state=AttemptState.ENDED,
        outcome=Outcome.ANSWERED,
        claimed_at=NOW,
        ended_at=NOW,
    )
    AttemptLog.objects.create(attempt=attempt, at=NOW, to_state=AttemptState.CLAIMED)
    call = Call.objects.create(
        protocol=PSR,
        vendor_call_id="v1",
        attempt=attempt,
        agent=campaign.agent,
        agent_version=1,
        started_at=NOW,
        last_seen_at=NOW,
        ended_at=NOW,
        ended_by=EndedBy.CUSTOMER_HANGUP,
    )
    TranscriptTurn.objects.create(call=call, seq=1, speaker=SpeakerKind.AGENT, text="Hello", start_ms=0, end_ms=900)
    CallStep.objects.create(call=call, step=ResultStep.ANALYSIS, run_at=NOW)
    CallAnalysis.objects.create(call=call, computed_at=NOW)
    StreamEndpoint.objects.create(
        name="Vendor", protocol="ucid", agent=campaign.agent, key_prefix="tls_x", key_digest="d" * 64, key_made_at=NOW
    )
    BridgeNode.objects.create(name="node-1", capacity=60, seen_at=NOW)
    Heartbeat.objects.create(name="dial", at=NOW)
    AgentPrompt.objects.create(agent=campaign.agent, name="greeting", text="Hello", path="a.wav")
    SuppressedNumber.objects.create(phone_number="+84987654321")
    BlackoutDate.objects.create(date=NOW.date(), name="Tết")
    DialingStop.objects.create(at=NOW, reason="Wrong list", lifted_at=NOW)
    dnc_list = DncList.objects.create(name="Register")
    version = DncVersion.objects.create(
        list=dnc_list, file_name="a.csv", path="a.txt", as_of=NOW, size_bytes=9, created_at=NOW
    )
    DncNumber.objects.create(phone_number="+84987654322", version=version)
    token = ApiToken.objects.create(user=admin_user, role=Role.MANAGER, prefix="tl_x", digest="d" * 64)
    IdempotencyRecord.objects.create(token=token, key="k", request_digest="r" * 64)
    event = OutboxEvent.objects.create(type=WebhookEvent.CALL_ENDED, subject="1", occurred_at=NOW, body={})
    endpoint = WebhookEndpoint.objects.create(url="https://hooks.example.com/x", secret=WEBHOOK_SECRET)
    delivery = WebhookDelivery.objects.create(event=event, endpoint=endpoint, next_at=NOW)
    WebhookDeliveryAttempt.objects.create(delivery=delivery, at=NOW, duration_ms=12, status_code=500)
    return lambda model: model.objects.get()  # type: ignore[attr-defined]
