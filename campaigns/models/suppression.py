"""Do-not-call: single numbers, and imported lists that are replaced as a whole."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from campaigns.enums import DncVersionState, SuppressionSource
from campaigns.models.calls import Call
from campaigns.models.campaigns import Campaign


class SuppressedNumber(models.Model):
    """A number that must not be dialed, until `expires_at` where given; by one campaign alone where one is named."""

    phone_number = models.CharField(max_length=16, help_text="E.164")
    campaign = models.ForeignKey(
        Campaign,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="suppressions",
        help_text="Empty: no campaign may call it",
    )
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
        constraints = [
            models.UniqueConstraint(
                fields=["phone_number"], condition=Q(campaign__isnull=True), name="one_suppression_per_number"
            ),
            models.UniqueConstraint(
                fields=["phone_number", "campaign"],
                condition=Q(campaign__isnull=False),
                name="one_suppression_per_number_and_campaign",
            ),
        ]
        indexes = [models.Index(fields=["phone_number"], name="suppression_by_number")]

    def __str__(self) -> str:
        return self.phone_number


class DncList(models.Model):
    """A list of numbers that somebody else keeps, such as a national register. `current` is the version in force."""

    name = models.CharField(max_length=100, unique=True)
    region = models.CharField(
        max_length=2, blank=True, help_text="Of numbers without a country code, such as US; empty: DEFAULT_REGION"
    )
    is_active = models.BooleanField("active", default=True, help_text="Off: it keeps nobody from being called")
    current = models.ForeignKey(
        "DncVersion", null=True, blank=True, on_delete=models.PROTECT, related_name="current_of"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "do-not-call list"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class DncVersion(models.Model):
    """One file of a do-not-call list. It counts for nothing until all of it has been read."""

    list = models.ForeignKey(DncList, on_delete=models.CASCADE, related_name="versions")
    state = models.CharField(max_length=16, choices=DncVersionState, default=DncVersionState.LOADING)
    file_name = models.CharField(max_length=200, help_text="As uploaded; never used as a path")
    path = models.CharField(max_length=200, help_text="Under DATA_DIR/uploads, named by us")
    as_of = models.DateTimeField("as of", help_text="When its keeper made it; its age counts from here")
    size_bytes = models.BigIntegerField("size (bytes)")
    bytes_done = models.BigIntegerField(default=0)
    numbers = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0, help_text="Lines that are no phone number")
    error = models.CharField(max_length=300, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "version of a do-not-call list"
        verbose_name_plural = "versions of do-not-call lists"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.file_name} ({self.state})"


class DncNumber(models.Model):
    """One number of one version."""

    phone_number = models.CharField(max_length=16, help_text="E.164")
    # The unique constraint's index begins with the number, as look-ups do; dropping an old version takes its time.
    version = models.ForeignKey(DncVersion, on_delete=models.CASCADE, related_name="entries")

    class Meta:
        verbose_name = "number of a do-not-call list"
        verbose_name_plural = "numbers of do-not-call lists"
        constraints = [
            models.UniqueConstraint(fields=["phone_number", "version"], name="one_entry_per_number_and_version")
        ]

    def __str__(self) -> str:
        return self.phone_number
