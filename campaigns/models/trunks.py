"""Trunks: accounts at a switch, with what they may carry."""

from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import models

from campaigns.enums import AuthScheme, DialFormat, TrunkHold


class Trunk(models.Model):
    """One PSR account. The token is write-only everywhere outside the dialer."""

    name = models.CharField(max_length=100, unique=True)
    base_url = models.URLField(
        "base URL", help_text="PSR's address without a path, for example https://psr.example.com"
    )
    auth_scheme = models.CharField(max_length=8, choices=AuthScheme, default=AuthScheme.BEARER)
    token = models.CharField(max_length=500, blank=True)
    dial_format = models.CharField(max_length=10, choices=DialFormat, default=DialFormat.NATIONAL)
    max_concurrent_calls = models.PositiveIntegerField(
        "most calls at once", default=10, validators=[MinValueValidator(1)]
    )
    calls_per_second = models.FloatField(default=1.0, validators=[MinValueValidator(0.01)])
    tenant = models.CharField(
        max_length=100, blank=True, help_text="The tenant PSR names on its sockets; empty: not checked"
    )
    allowed_networks = models.JSONField(
        default=list, blank=True, help_text="Addresses or networks PSR connects from; empty: from anywhere"
    )
    allowed_countries = models.JSONField(
        default=list, blank=True, help_text="Codes such as VN; empty: all that ALLOWED_COUNTRIES names"
    )
    is_enabled = models.BooleanField("enabled", default=True)
    hold = models.CharField(max_length=16, choices=TrunkHold, default=TrunkHold.NONE, blank=True)
    hold_detail = models.CharField(max_length=300, blank=True)
    released_at = models.DateTimeField(null=True, blank=True, help_text="When a person last ended a hold")
    throttled_until = models.DateTimeField(null=True, blank=True)
    # Token bucket of the calls/s limit: tokens at a moment; written only under the trunk's row lock.
    bucket_tokens = models.FloatField(default=0)
    bucket_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
