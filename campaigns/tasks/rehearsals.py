"""Rehearsing in the background. A message that is lost costs a person another click."""

from __future__ import annotations

from celery import shared_task
from django.contrib.auth.models import User
from django.utils import timezone

from campaigns.services.rehearsal import RehearsalPlan, rehearse_and_keep


@shared_task(ignore_result=True)
def rehearse_campaign(
    *,
    campaign_id: int,
    limit: int,
    user_id: int | None = None,
    seed: int = 1,
    answer_rate: float | None = None,
    talk_s: float | None = None,
) -> None:
    """Play a campaign with nobody at the other end, and keep the report in its log."""
    plan = RehearsalPlan(seed=seed, limit=limit, answer_rate=answer_rate, talk_s=talk_s)
    user = None if user_id is None else User.objects.filter(pk=user_id).first()
    rehearse_and_keep(campaign_id, plan, user=user, now=timezone.now())
