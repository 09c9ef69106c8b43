"""Loosening a campaign's calling rules: by a person with the permission, with a reason, and never unseen."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction

from campaigns.errors import RulesKept
from campaigns.models import Campaign, CampaignEvent
from campaigns.policies.rule_profiles import parse_override

PERMISSION = "campaigns.override_rules"
REASON_MIN_CHARS = 10
MESSAGE_MAX_CHARS = 300


def override_rules(campaign_id: int, changes: Mapping[str, Any], *, reason: str, user: User, now: datetime) -> Campaign:
    """The campaign with these of its profile's numbers replaced, in place of an earlier override; empty lifts it.

    Holds from the next gate on. Number classes, countries, do-not-call and consent cannot be overridden.

    Raises:
        PermissionDenied: the person has not the permission `campaigns.override_rules`.
        RulesKept: there is no reason, or what is asked for cannot be overridden; `errors` says which.
    """
    if not user.has_perm(PERMISSION):
        raise PermissionDenied
    reason = reason.strip()
    if len(reason) < REASON_MIN_CHARS:
        text = f"Say in at least {REASON_MIN_CHARS} characters why."
        raise RulesKept("An override needs a reason.", errors={"reason": [text]})
    try:
        parse_override(changes)
    except ValueError as error:
        raise RulesKept(str(error), errors={"rule_override": [str(error)]}) from error
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update().get(pk=campaign_id)
        before, campaign.rule_override = campaign.rule_override, dict(changes)
        campaign.save(update_fields=["rule_override", "updated_at"])
        done = "were loosened" if changes else "hold again as they are"
        CampaignEvent.objects.create(
            campaign=campaign,
            at=now,
            kind="rules_overridden",
            message=f"The rules of {campaign.rule_profile} {done}: {reason}"[:MESSAGE_MAX_CHARS],
            details={"before": before, "after": dict(changes), "reason": reason},
            user=user,
        )
    return campaign
