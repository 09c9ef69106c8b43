"""Webhooks: the outbox, the endpoints, and every try to deliver."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from campaigns.enums import StepState, WebhookEvent

# Why an endpoint is disabled that nobody but a person disabled.
SWITCHED_OFF_BY_HAND = "switched off by hand"


class OutboxEvent(models.Model):
    """Something that happened, written in the transaction that made it happen. `body` is the payload's data."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    type = models.CharField(max_length=40, choices=WebhookEvent)
    subject = models.CharField(max_length=64, help_text="The call's, contact's or campaign's id")
    occurred_at = models.DateTimeField()
    body = models.JSONField()
    is_relayed = models.BooleanField("relayed", default=False)

    class Meta:
        ordering = ["occurred_at"]
        constraints = [models.UniqueConstraint(fields=["type", "subject", "occurred_at"], name="one_event_per_fact")]
        indexes = [models.Index(fields=["occurred_at"], condition=Q(is_relayed=False), name="outbox_unrelayed")]

    def __str__(self) -> str:
        return f"{self.type} {self.subject}"


class WebhookEndpoint(models.Model):
    """Where events are sent. Two secrets are valid while one is being rotated."""

    url = models.URLField("URL", max_length=2048)
    description = models.CharField(max_length=200, blank=True)
    events = models.JSONField(default=list, help_text="Event types; empty: all")
    secret = models.CharField(max_length=80)
    previous_secret = models.CharField(max_length=80, blank=True)
    previous_secret_until = models.DateTimeField(null=True, blank=True)
    is_enabled = models.BooleanField("enabled", default=True)
    disabled_reason = models.CharField(max_length=100, blank=True)
    first_failure_at = models.DateTimeField(null=True, blank=True, help_text="Since when nothing has succeeded")
    retry_at = models.DateTimeField(null=True, blank=True, help_text="While it fails: when it is tried again at all")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.url


class WebhookDelivery(models.Model):
    """One event on its way to one endpoint."""

    event = models.ForeignKey(OutboxEvent, on_delete=models.CASCADE, related_name="deliveries")
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries")
    state = models.CharField(max_length=10, choices=StepState, default=StepState.PENDING)
    tries = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "webhook deliveries"
        constraints = [models.UniqueConstraint(fields=["event", "endpoint"], name="one_delivery_per_endpoint")]
        indexes = [
            models.Index(
                fields=["endpoint", "next_at"],
                condition=Q(state__in=[StepState.PENDING, StepState.FAILED]),
                name="delivery_due",
            ),
            models.Index(fields=["endpoint"], condition=Q(lease_until__isnull=False), name="delivery_in_flight"),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} → {self.endpoint_id} ({self.state})"


class WebhookDeliveryAttempt(models.Model):
    """One POST of one delivery, as it went."""

    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="attempts")
    at = models.DateTimeField()
    status_code = models.PositiveSmallIntegerField(null=True)
    duration_ms = models.PositiveIntegerField("duration (ms)")
    error = models.CharField(max_length=300, blank=True)
    response_excerpt = models.CharField(max_length=2048, blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.at}: {self.status_code or self.error}"
