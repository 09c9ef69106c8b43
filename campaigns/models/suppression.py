"""Do-not-call."""

from __future__ import annotations

from django.db import models

from campaigns.enums import SuppressionSource
from campaigns.models.calls import Call


class SuppressedNumber(models.Model):
    """A number that must not be dialed, until `expires_at` where given."""

    phone_number = models.CharField(max_length=16, unique=True, help_text="E.164")
    reason = models.CharField(max_length=200, blank=True)
    source = models.CharField(max_length=16, choices=SuppressionSource, default=SuppressionSource.MANUAL)
    call = models.ForeignKey(
        Call, null=True, on_delete=models.SET_NULL, related_name="suppressions", help_text="In which it was asked for"
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "do-not-call number"
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.phone_number
