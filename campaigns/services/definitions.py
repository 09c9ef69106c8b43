"""What people define before anything is dialed: trunks, agents, drafts, the do-not-call list, webhook endpoints.

`values` are checked fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Model

from campaigns.enums import CampaignState, TrunkHold
from campaigns.errors import RecordInUse
from campaigns.models import Agent, Campaign, CustomerList, DncList, SuppressedNumber, Trunk, WebhookEndpoint
from campaigns.queries.approvals import is_large
from campaigns.services import campaign_log, trunks, webhooks
from campaigns.services.approvals import withdraw
from campaigns.services.campaign_lists import change_lists

# A hold for one of these reasons is over when what the switch refused has been changed; a person's own hold is not.
HOLDS_BY_THE_SWITCH = (TrunkHold.AUTH, TrunkHold.REDIRECT)
WHAT_A_SWITCH_REFUSES = frozenset({"base_url", "auth_scheme", "token"})

_CANARY = frozenset({"canary_calls", "canary_answered_min", "canary_failed_max"})
_PACE = _CANARY | {
    "max_concurrent_calls",
    "calls_per_second",
    "ring_timeout_s",
    "max_attempts",
    "priority",
    "weight",
    "ramp_up_minutes",
}
_CAPS = frozenset({"calls_per_number_day", "calls_per_number_week", "number_gap_s"})
# People come and go, so the extensions may change at any time; a call keeps the one it was claimed with.
_RULES = frozenset({"name", "cadence", "calling_window", "holidays", "customer_lists", "extensions"}) | _PACE | _CAPS
_WHOLE = _RULES | {
    "agent",
    "trunk",
    "app",
    "channel",
    "is_silence",
    "audio_file",
    "parameter_template",
    "rule_profile",
    "consent_attribute",
    "starts_at",
}
# Contacts are copies of list entries, made for one agent and one template: these are settled at launch.
CHANGEABLE: Mapping[CampaignState, frozenset[str]] = {
    CampaignState.DRAFT: _WHOLE,
    CampaignState.SCHEDULED: _WHOLE,
    CampaignState.RUNNING: _RULES,
    CampaignState.PAUSED: _RULES,
    CampaignState.FINISHED: frozenset({"name"}),
    CampaignState.CANCELED: frozenset({"name"}),
}
DELETABLE = (CampaignState.DRAFT, CampaignState.SCHEDULED)

R = TypeVar("R", bound=Model)


def create_trunk(values: Mapping[str, Any]) -> Trunk:
    """A new trunk."""
    with transaction.atomic():
        return Trunk.objects.create(**values)


def change_trunk(trunk: Trunk, values: Mapping[str, Any], *, now: datetime) -> Trunk:
    """The trunk with the given fields changed; a hold that the switch caused ends when its cause was changed."""
    with transaction.atomic():
        _change(trunk, values)
        if trunk.hold in HOLDS_BY_THE_SWITCH and WHAT_A_SWITCH_REFUSES & values.keys():
            trunks.release_hold(trunk.pk, now=now)
            trunk.refresh_from_db()
    return trunk


def delete_trunk(trunk: Trunk) -> None:
    """Remove a trunk.

    Raises:
        ProtectedError: a campaign or an attempt names it.
    """
    with transaction.atomic():
        trunk.delete()


def create_agent(values: Mapping[str, Any]) -> Agent:
    """A new agent, at version 1."""
    with transaction.atomic():
        return Agent.objects.create(**values)


def change_agent(agent: Agent, values: Mapping[str, Any]) -> Agent:
    """The agent with the given fields changed; its version rises when it will speak differently."""
    is_other_voice = any(getattr(agent, name) != values[name] for name in ("kind", "config") if name in values)
    with transaction.atomic():
        _change(agent, values)
        if is_other_voice:
            Agent.objects.filter(pk=agent.pk).update(version=F("version") + 1)
            agent.refresh_from_db(fields=["version"])
    return agent


def delete_agent(agent: Agent) -> None:
    """Remove an agent.

    Raises:
        ProtectedError: a campaign or a call names it.
    """
    with transaction.atomic():
        agent.delete()


def create_campaign(values: Mapping[str, Any], *, user: User | None, now: datetime) -> Campaign:
    """A new draft."""
    fields = dict(values)
    lists = fields.pop("customer_lists", [])
    with transaction.atomic():
        campaign = Campaign.objects.create(**fields, created_by=user)
        campaign.customer_lists.set(lists)
        campaign_log.record(campaign, "created", "Created.", user=user, now=now)
    return campaign


def change_campaign(campaign_id: int, values: Mapping[str, Any], *, user: User | None, now: datetime) -> Campaign:
    """The campaign with the given fields changed, and what was changed in its log.

    Where the lists of a launched campaign change, the caller enqueues `fill_contacts`.

    Raises:
        RecordInUse: its state does not allow one of the changes; `errors` names each.
    """
    fields = dict(values)
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update().get(pk=campaign_id)
        state = CampaignState(campaign.state)
        if refused := sorted(fields.keys() - CHANGEABLE[state]):
            text = f"Cannot be changed while the campaign is {state.label.lower()}."
            raise RecordInUse(
                f"A campaign that is {state.label.lower()} can no longer change {', '.join(refused)}.",
                errors={name: [text] for name in refused},
            )
        if "customer_lists" in fields and campaign.launched_at is not None:
            _refuse_too_large(campaign, fields["customer_lists"])
        before = campaign_log.values_of(campaign, fields)
        if "customer_lists" in fields:
            change_lists(campaign, fields.pop("customer_lists"), now=now)
        _change(campaign, fields)
        if campaign.launched_at is None:
            withdraw(campaign)
        campaign_log.record_changes(campaign, before, user=user, now=now)
        return campaign


def _refuse_too_large(campaign: Campaign, lists: Iterable[CustomerList]) -> None:
    if campaign.approved_at is None and is_large(lists):
        text = "With these lists it would need the approval of a second person: make a campaign of its own of them."
        raise RecordInUse(text, errors={"customer_lists": [text]})


def delete_campaign(campaign_id: int) -> None:
    """Remove a draft.

    Raises:
        RecordInUse: it was launched; its record of calls must stay.
    """
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update().get(pk=campaign_id)
        if campaign.state not in DELETABLE:
            raise RecordInUse("Only a campaign that was never launched can be deleted. Cancel it instead.")
        campaign.delete()


def change_suppression(entry: SuppressedNumber, values: Mapping[str, Any]) -> SuppressedNumber:
    """The entry of the do-not-call list with another reason or expiry."""
    return _change(entry, values)


def lift_suppression(entry: SuppressedNumber) -> None:
    """Take a number off the do-not-call list; contacts it has blocked stay blocked."""
    with transaction.atomic():
        entry.delete()


def create_dnc_list(values: Mapping[str, Any]) -> DncList:
    """A new imported do-not-call list without a version; it holds nobody yet."""
    with transaction.atomic():
        return DncList.objects.create(**values)


def change_dnc_list(row: DncList, values: Mapping[str, Any]) -> DncList:
    """The imported do-not-call list with the given fields changed."""
    return _change(row, values)


def create_endpoint(values: Mapping[str, Any]) -> WebhookEndpoint:
    """A new webhook endpoint with a secret of its own.

    Raises:
        WebhookRefused: the URL may not be called; `errors` says why.
    """
    fields = dict(values)
    is_enabled = fields.pop("is_enabled", True)
    with transaction.atomic():
        endpoint = webhooks.create_endpoint(**fields)
        return endpoint if is_enabled else webhooks.set_enabled(endpoint.pk, is_enabled=False)


def change_endpoint(endpoint: WebhookEndpoint, values: Mapping[str, Any]) -> WebhookEndpoint:
    """The endpoint with the given fields changed.

    Raises:
        WebhookRefused: the URL may not be called; `errors` says why.
    """
    fields = dict(values)
    is_enabled = fields.pop("is_enabled", None)
    if {"url", "events"} & fields.keys():
        webhooks.check_endpoint(url=fields.get("url", endpoint.url), events=fields.get("events", endpoint.events))
    with transaction.atomic():
        _change(endpoint, fields)
        return endpoint if is_enabled is None else webhooks.set_enabled(endpoint.pk, is_enabled=is_enabled)


def delete_endpoint(endpoint: WebhookEndpoint) -> None:
    """Remove a webhook endpoint with the record of its deliveries."""
    with transaction.atomic():
        endpoint.delete()


def _change(row: R, values: Mapping[str, Any]) -> R:
    for name, value in values.items():
        setattr(row, name, value)
    if not values:
        return row
    # Only the given columns: the dialer writes others of the same row at any time.
    stamps = {field.name for field in row._meta.concrete_fields} & {"updated_at"}
    with transaction.atomic():
        row.save(update_fields=[*values, *stamps])
    return row
