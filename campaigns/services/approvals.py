"""Two pairs of eyes: a large campaign is launched by one manager and let go by another."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from campaigns.errors import ApprovalNeeded, IllegalTransition
from campaigns.models import Campaign
from campaigns.queries.approvals import is_waiting, needs_approval
from campaigns.services import campaign_log


def ask_if_needed(campaign: Campaign, *, user: User | None, now: datetime) -> None:
    """Pass if the campaign is small or approved, else note who asks for it to be launched.

    Not to be called in a transaction that the refusal would undo.

    Raises:
        ApprovalNeeded: somebody else has to approve it first.
    """
    if not needs_approval(campaign):
        return
    if user is not None and not is_waiting(campaign):
        asked = Campaign.objects.filter(pk=campaign.pk, approval_asked_at=None)
        with transaction.atomic():
            if asked.update(approval_asked_by=user, approval_asked_at=now, updated_at=now):
                campaign_log.record(
                    campaign, "approval_asked", "Asked to launch it; somebody else has to approve.", user=user, now=now
                )
    text = "A campaign of this size is launched when another manager has approved it."
    raise ApprovalNeeded(text, errors={"customer_lists": [text]})


def approve(campaign_id: int, *, user: User, now: datetime) -> None:
    """Approve the launch that somebody else has asked for.

    Raises:
        IllegalTransition: nobody has asked, or the same person has.
    """
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update().get(pk=campaign_id)
        if not is_waiting(campaign):
            raise IllegalTransition("No launch of this campaign waits for approval.")
        if campaign.approval_asked_by_id == user.pk:
            raise IllegalTransition("Nobody approves what they have asked for. Another manager has to.")
        Campaign.objects.filter(pk=campaign_id).update(approved_by=user, approved_at=now, updated_at=now)
        campaign_log.record(campaign, "approved", "Approved.", user=user, now=now)


def withdraw(campaign: Campaign) -> None:
    """Forget request and approval of a campaign that was changed since, in the transaction of the change."""
    campaign.approval_asked_by = campaign.approved_by = None
    campaign.approval_asked_at = campaign.approved_at = None
    campaign.save(update_fields=["approval_asked_by", "approval_asked_at", "approved_by", "approved_at"])
