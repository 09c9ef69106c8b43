"""Calls: answered conversations on the bridge, what was said, and what is made of them afterwards."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from campaigns.enums import EndedBy, ResultStep, SpeakerKind, StepState, call_protocols
from campaigns.models.agents import Agent
from campaigns.models.attempts import CallAttempt
from campaigns.models.endpoints import StreamEndpoint


class Call(models.Model):
    """One answered conversation: of an attempt of ours, or through the `endpoint` it came to us by."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    protocol = models.CharField(max_length=16, choices=call_protocols)
    vendor_call_id = models.CharField("vendor's call ID", max_length=128)
    attempt = models.OneToOneField(CallAttempt, null=True, on_delete=models.PROTECT, related_name="call")
    endpoint = models.ForeignKey(StreamEndpoint, null=True, on_delete=models.PROTECT, related_name="calls")
    customer_number = models.CharField(
        max_length=32, blank=True, help_text="E.164 where it reads as a number, else as the vendor wrote it"
    )
    own_number = models.CharField(max_length=32, blank=True, help_text="Ours; written like the customer's")
    is_outbound = models.BooleanField("outbound", default=True, help_text="Whether the customer was called")
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="calls")
    agent_version = models.PositiveIntegerField()
    parameters = models.JSONField(default=dict, help_text="The customer's parameters as the agent was told them")
    started_at = models.DateTimeField()
    last_seen_at = models.DateTimeField(help_text="The bridge's heartbeat; silence for CALL_LOST_S ends the call")
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=20, choices=EndedBy, blank=True)
    disposition = models.CharField(max_length=40, blank=True)
    answers = models.JSONField(default=list, help_text="[{key, question, value, at_ms}]")
    transferred_to = models.CharField(max_length=32, blank=True)
    callback_at = models.DateTimeField(null=True, help_text="When the customer asked to be called again")
    callback_note = models.CharField(max_length=200, blank=True)
    is_agent_broken = models.BooleanField(
        "agent broken", default=False, help_text="The agent failed in a way that trying again cannot help"
    )
    metrics = models.JSONField(default=dict, help_text="The bridge's counters")
    recording_path = models.CharField(max_length=200, blank=True, help_text="The bridge's own, under DATA_DIR")
    switch_recording_path = models.CharField(
        max_length=200, blank=True, help_text="Fetched from the trunk, under DATA_DIR"
    )
    is_processed = models.BooleanField(
        "processed", default=False, help_text="All steps after the call are done or given up"
    )

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, ended_by="") | Q(ended_at__isnull=False) & ~Q(ended_by=""),
                name="ended_by_exactly_when_ended",
            ),
            models.CheckConstraint(
                condition=Q(attempt__isnull=True) | Q(endpoint__isnull=True), name="an_attempt_or_an_endpoint"
            ),
            models.UniqueConstraint(
                fields=["endpoint", "vendor_call_id"],
                condition=Q(ended_at__isnull=True, endpoint__isnull=False),
                name="one_live_call_per_vendor_id",
            ),
        ]
        indexes = [
            models.Index(fields=["last_seen_at"], condition=Q(ended_at__isnull=True), name="call_live"),
            models.Index(
                fields=["ended_at"], condition=Q(is_processed=False, ended_at__isnull=False), name="call_unprocessed"
            ),
            models.Index(fields=["-started_at"], name="call_by_start"),
            models.Index(fields=["agent", "-ended_at"], name="call_by_agent"),
            models.Index(
                fields=["agent", "ended_at"], condition=Q(ended_by=EndedBy.AGENT_FAILED), name="call_agent_failed"
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class TranscriptTurn(models.Model):
    """One entry of the transcript. `heard_text` is what the customer heard of an agent's turn, if less than `text`."""

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="turns")
    seq = models.PositiveIntegerField()
    speaker = models.CharField(max_length=10, choices=SpeakerKind)
    item_id = models.CharField(max_length=64, blank=True)
    text = models.TextField()
    heard_text = models.TextField(blank=True)
    start_ms = models.PositiveIntegerField("start (ms)", help_text="From the start of the call")
    end_ms = models.PositiveIntegerField("end (ms)")
    is_interrupted = models.BooleanField("interrupted", default=False)
    confidence = models.FloatField(null=True)

    class Meta:
        ordering = ["start_ms", "seq"]
        constraints = [models.UniqueConstraint(fields=["call", "seq"], name="one_turn_per_seq")]

    def __str__(self) -> str:
        return f"{self.speaker}: {self.text[:40]}"


class CallStep(models.Model):
    """One piece of work after a call: what remains to be done stands here, not in the broker."""

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="steps")
    step = models.CharField(max_length=20, choices=ResultStep)
    state = models.CharField(max_length=10, choices=StepState, default=StepState.PENDING)
    tries = models.PositiveSmallIntegerField(default=0)
    run_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True)
    result = models.JSONField(default=dict, blank=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = "step after a call"
        verbose_name_plural = "steps after calls"
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["call", "step"], name="one_row_per_step")]
        indexes = [
            models.Index(
                fields=["run_at"], condition=Q(state__in=[StepState.PENDING, StepState.FAILED]), name="step_due"
            )
        ]

    def __str__(self) -> str:
        return f"{self.step} of {self.call_id} ({self.state})"


class CallAnalysis(models.Model):
    """What a call amounts to, computed from its turns; recomputing gives the same row."""

    call = models.OneToOneField(Call, on_delete=models.CASCADE, related_name="analysis")
    metrics = models.JSONField(default=dict)
    extracted = models.JSONField(default=dict, help_text="Answers by key")
    question_answers = models.JSONField(default=list)
    summary = models.TextField(blank=True)
    disposition = models.CharField(max_length=40, blank=True)
    computed_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "call analyses"

    def __str__(self) -> str:
        return f"analysis of {self.call_id}"
