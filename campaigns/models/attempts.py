"""Call attempts, their log, and the bridge nodes that can take the calls."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from campaigns.enums import AttemptState, Outcome
from campaigns.models.campaigns import Campaign, Contact
from campaigns.models.trunks import Trunk


class CallAttempt(models.Model):
    """One decision to ring a contact once: one row, at most one POST, ever."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="attempts")
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="attempts")
    trunk = models.ForeignKey(Trunk, on_delete=models.PROTECT, related_name="attempts")
    phone_number = models.CharField(max_length=16, help_text="Frozen at claim")
    extension = models.CharField(max_length=6, blank=True, help_text="With dial: the one rung first, taken at claim")
    number = models.PositiveSmallIntegerField(null=True, help_text="1, 2, …; empty once released")
    state = models.CharField(max_length=16, choices=AttemptState, default=AttemptState.CLAIMED)
    outcome = models.CharField(max_length=16, choices=Outcome, blank=True)
    reason = models.CharField(max_length=60, blank=True, help_text="The rule, verdict or deadline behind the outcome")
    hangup_cause = models.CharField(max_length=40, blank=True, help_text="Q.850 name, where the switch tells")
    fence = models.PositiveIntegerField(default=1)
    posts = models.PositiveSmallIntegerField(default=0)
    token_digest = models.CharField(max_length=64, blank=True, help_text="SHA-256 of the call token")
    token_used_at = models.DateTimeField(null=True)
    switch_call_id = models.CharField("switch's call ID", max_length=128, null=True)
    recording_url = models.CharField(
        "recording URL", max_length=500, blank=True, help_text="As the switch named it; never fetched as is"
    )
    deadline_at = models.DateTimeField(null=True, help_text="When the reaper ends or advances it; empty when ended")
    claimed_at = models.DateTimeField()
    dispatched_at = models.DateTimeField(null=True)
    placed_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    allowed_by = models.JSONField(
        null=True, help_text="The rules and facts that let the call through: policies.eligibility.allowed_by"
    )
    is_test = models.BooleanField("test call", default=False, help_text="Placed by hand to hear the campaign")
    is_counted = models.BooleanField("counted", default=False, help_text="Whether it counts against attempts and caps")

    class Meta:
        ordering = ["-claimed_at"]
        constraints = [
            models.UniqueConstraint(fields=["contact", "number"], name="one_attempt_per_number"),
            models.UniqueConstraint(
                fields=["contact"], condition=~Q(state=AttemptState.ENDED), name="one_open_attempt_per_contact"
            ),
            models.UniqueConstraint(
                fields=["phone_number"], condition=~Q(state=AttemptState.ENDED), name="one_open_attempt_per_phone"
            ),
            models.UniqueConstraint(
                fields=["trunk", "extension"],
                condition=~Q(state=AttemptState.ENDED) & ~Q(extension=""),
                name="one_open_attempt_per_extension",
            ),
            models.UniqueConstraint(fields=["trunk", "switch_call_id"], name="one_attempt_per_switch_call"),
            models.CheckConstraint(condition=Q(posts__lte=1), name="at_most_one_post"),
            models.CheckConstraint(
                condition=Q(state=AttemptState.ENDED, ended_at__isnull=False) & ~Q(outcome="")
                | ~Q(state=AttemptState.ENDED) & Q(ended_at__isnull=True, outcome=""),
                name="outcome_exactly_when_ended",
            ),
            models.CheckConstraint(
                condition=Q(state=AttemptState.ENDED) | Q(deadline_at__isnull=False),
                name="an_open_attempt_has_a_deadline",
            ),
        ]
        indexes = [
            models.Index(fields=["deadline_at"], condition=~Q(state=AttemptState.ENDED), name="attempt_overdue"),
            models.Index(fields=["trunk"], condition=~Q(state=AttemptState.ENDED), name="attempt_open_by_trunk"),
            models.Index(fields=["campaign"], condition=~Q(state=AttemptState.ENDED), name="attempt_open_by_campaign"),
            models.Index(fields=["trunk", "ended_at"], condition=~Q(extension=""), name="attempt_by_extension"),
            models.Index(fields=["campaign", "-claimed_at"], name="attempt_by_campaign"),
            models.Index(fields=["-claimed_at"], name="attempt_by_time"),
            models.Index(fields=["phone_number", "-dispatched_at"], name="attempt_by_phone"),
        ]

    def __str__(self) -> str:
        return f"{self.id} ({self.state})"


class AttemptLog(models.Model):
    """Every transition of every attempt, written in the same transaction; append-only."""

    attempt = models.ForeignKey(CallAttempt, on_delete=models.CASCADE, related_name="log")
    at = models.DateTimeField()
    from_state = models.CharField(max_length=16, blank=True)
    to_state = models.CharField(max_length=16)
    reason = models.CharField(max_length=60, blank=True)
    details = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name = "attempt log entry"
        verbose_name_plural = "attempt log"
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.from_state} → {self.to_state}"


class BridgeNode(models.Model):
    """One bridge process and the calls it can still take; rows not seen for a while count for nothing."""

    name = models.CharField(max_length=100, primary_key=True)
    capacity = models.PositiveIntegerField()
    live_calls = models.PositiveIntegerField(default=0)
    is_draining = models.BooleanField("draining", default=False)
    seen_at = models.DateTimeField()
    gauges = models.JSONField(default=dict, help_text="What it measured since the beat before, and its counts so far")

    def __str__(self) -> str:
        return self.name
