"""What stops calls whatever a campaign says: the switch for all dialing, and blackout dates."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from campaigns.enums import StopKind
from campaigns.models.campaigns import Campaign


class DialingStop(models.Model):
    """One time that all dialing was stopped. Nothing is dialed while any is not lifted; the rows are the record."""

    at = models.DateTimeField("stopped at")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    reason = models.CharField(max_length=200)
    kind = models.CharField(max_length=20, choices=StopKind, default=StopKind.OPERATOR)
    hangs_up = models.BooleanField(
        "hang up live calls",
        default=False,
        help_text="Also end, at once, every call that campaigns have placed. Else live calls go on to their end.",
    )
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        verbose_name = "stop of all dialing"
        verbose_name_plural = "stops of all dialing"
        ordering = ["-id"]
        indexes = [models.Index(fields=["id"], condition=Q(lifted_at__isnull=True), name="stop_in_force")]

    def __str__(self) -> str:
        return self.reason


class BlackoutDate(models.Model):
    """A local date on which nobody is called: by no campaign, or by the one that is named."""

    date = models.DateField(help_text="Where the customer is")
    campaign = models.ForeignKey(
        Campaign,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="blackout_dates",
        help_text="Empty: all campaigns",
    )
    name = models.CharField(max_length=100, blank=True, help_text="For example Tết")

    class Meta:
        ordering = ["date"]
        constraints = [
            models.UniqueConstraint(fields=["date"], condition=Q(campaign__isnull=True), name="one_blackout_per_date"),
            models.UniqueConstraint(
                fields=["date", "campaign"],
                condition=Q(campaign__isnull=False),
                name="one_blackout_per_date_and_campaign",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.date} {self.name}".strip()
