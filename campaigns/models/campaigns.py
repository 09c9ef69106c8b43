"""Campaigns, their contacts, and the campaign's append-only log."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from campaigns.enums import App, CampaignState, CanaryState, ContactState, Outcome, RuleProfileName, StreamChannel
from campaigns.models.agents import Agent
from campaigns.models.customers import Customer, CustomerList
from campaigns.models.trunks import Trunk
from campaigns.policies.cadence import default_cadence
from campaigns.policies.calling_window import default_calling_window
from campaigns.policies.rule_profiles import CALLS_MAX, GAP_MAX_S


class Campaign(models.Model):
    """A goal, an agent, rules and lists, run over a period."""

    name = models.CharField(max_length=200, unique=True)
    state = models.CharField(max_length=16, choices=CampaignState, default=CampaignState.DRAFT)
    customer_lists = models.ManyToManyField(CustomerList, related_name="campaigns")
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="campaigns")
    trunk = models.ForeignKey(Trunk, on_delete=models.PROTECT, related_name="campaigns")
    app = models.CharField(max_length=8, choices=App, default=App.BOT)
    extensions = models.JSONField(
        default=list, blank=True, help_text="With dial: one of them is rung first; no two calls at once on one"
    )
    channel = models.CharField(
        max_length=8, choices=StreamChannel, blank=True, help_text="Empty: mono_a for bot, stereo for dial"
    )
    is_silence = models.BooleanField(
        "play nothing at answer", default=True, help_text="Play nothing at answer; the agent speaks first"
    )
    audio_file = models.CharField(
        "audio at answer", max_length=200, blank=True, help_text="Under DATA_DIR/prompts, named by us"
    )
    parameter_template = models.JSONField(default=dict, blank=True)
    max_concurrent_calls = models.PositiveIntegerField(
        "most calls at once", default=5, validators=[MinValueValidator(1)]
    )
    calls_per_second = models.FloatField(default=1.0, validators=[MinValueValidator(0.01)])
    ring_timeout_s = models.FloatField(
        "ring timeout (seconds)", null=True, blank=True, help_text="Empty: RING_TIMEOUT_S"
    )
    max_attempts = models.PositiveSmallIntegerField(
        "most attempts per contact", default=3, validators=[MinValueValidator(1)]
    )
    priority = models.SmallIntegerField(default=0)
    ramp_up_minutes = models.PositiveSmallIntegerField(
        "minutes until full pace", default=0, help_text="From the launch, beginning with a tenth; 0: at once"
    )
    canary_calls = models.PositiveSmallIntegerField(
        "first calls to look at", default=0, help_text="It goes on by itself only if they go well; 0: none"
    )
    canary_answered_min = models.FloatField(
        "share that must answer", default=0.1, validators=[MinValueValidator(0), MaxValueValidator(1)]
    )
    canary_failed_max = models.FloatField(
        "share that may fail", default=0.2, validators=[MinValueValidator(0), MaxValueValidator(1)]
    )
    canary_state = models.CharField(
        "careful start", max_length=8, choices=CanaryState, default=CanaryState.NONE, blank=True
    )
    canary_since = models.DateTimeField(null=True, blank=True)
    cadence = models.JSONField(default=default_cadence, blank=True)
    calling_window = models.JSONField(default=default_calling_window, blank=True)
    rule_profile = models.CharField(
        "calling rules", max_length=16, choices=RuleProfileName, default=RuleProfileName.CUSTOM
    )
    calls_per_number_day = models.PositiveSmallIntegerField(
        "most calls to one number in 24 hours",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(CALLS_MAX)],
        help_text="Of all campaigns; can only tighten",
    )
    calls_per_number_week = models.PositiveSmallIntegerField(
        "most calls to one number in 7 days",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(CALLS_MAX)],
        help_text="Of all campaigns; can only tighten",
    )
    number_gap_s = models.FloatField(
        "least time between calls to one number (seconds)",
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(GAP_MAX_S)],
        help_text="Can only tighten",
    )
    consent_attribute = models.CharField(
        "consent column", max_length=40, blank=True, help_text="The attribute that says whether the customer consented"
    )
    holidays = models.CharField(
        max_length=10,
        blank=True,
        help_text="The country whose public holidays are blackout dates, for example VN; or a part of one, US-CA",
    )
    rule_override = models.JSONField(
        default=dict, blank=True, help_text="What a person with the permission has loosened, with a reason in the log"
    )
    weight = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1)], help_text="Its part of the trunk among those of its priority"
    )
    share_used = models.FloatField(default=0, help_text="Calls started, each divided by the weight")
    bucket_tokens = models.FloatField(default=0)
    bucket_at = models.DateTimeField(null=True, blank=True)
    starts_at = models.DateTimeField(null=True, blank=True)
    launched_at = models.DateTimeField(null=True, blank=True)
    contacts_filled_to = models.BigIntegerField(default=0, help_text="Id of the last list entry made a contact")
    contacts_filled_at = models.DateTimeField(null=True, blank=True, help_text="When every entry had its contact")
    lists_followed_to = models.BigIntegerField(
        null=True, help_text="Id of the last contact held against changed lists; empty when none is left to look at"
    )
    finished_at = models.DateTimeField(null=True, blank=True)
    archived_at = models.DateTimeField(null=True, blank=True, help_text="Out of the lists; only what is over can be")
    approval_asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    approval_asked_at = models.DateTimeField(null=True, blank=True)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    approved_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-id"]
        permissions = [("override_rules", "Can loosen a campaign's calling rules")]
        constraints = [
            models.CheckConstraint(
                condition=Q(archived_at=None) | Q(state__in=(CampaignState.FINISHED, CampaignState.CANCELED)),
                name="only_what_is_over_is_archived",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Contact(models.Model):
    """One customer in one campaign: the number and attributes as they were at launch, and the progress."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="contacts")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="contacts")
    phone_number = models.CharField(max_length=16)
    name = models.CharField(max_length=200, blank=True)
    timezone = models.CharField("time zone", max_length=64, blank=True)
    attributes = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=16, choices=ContactState, default=ContactState.PENDING)
    state_reason = models.CharField(max_length=60, blank=True, help_text="Why it is blocked, exhausted or waiting")
    next_attempt_at = models.DateTimeField(null=True)
    callback_at = models.DateTimeField(
        null=True, help_text="When the customer asked to be called; goes before all others and beyond the last attempt"
    )
    priority = models.SmallIntegerField(default=0)
    attempts_made = models.PositiveSmallIntegerField(default=0, help_text="Attempts that count")
    releases = models.PositiveSmallIntegerField(default=0, help_text="Releases in a row; sets the back-off")
    last_outcome = models.CharField(max_length=16, choices=Outcome, blank=True)
    disposition = models.CharField(max_length=40, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "customer"],
                condition=~Q(state=ContactState.TEST),
                name="one_contact_per_campaign_and_customer",
            ),
            models.CheckConstraint(
                condition=~Q(state=ContactState.PENDING) | Q(next_attempt_at__isnull=False),
                name="a_waiting_contact_has_a_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["campaign", "-priority", "next_attempt_at", "id"],
                condition=Q(state=ContactState.PENDING),
                name="contact_due",
            ),
            models.Index(
                fields=["campaign", "next_attempt_at", "id"],
                condition=Q(state=ContactState.PENDING, callback_at__isnull=False),
                name="contact_callback_due",
            ),
            # Who has somebody due, and what a campaign's contacts wait for, is answered by this index alone.
            models.Index(
                fields=["campaign", "next_attempt_at", "state_reason"],
                condition=Q(state=ContactState.PENDING),
                name="contact_waiting",
            ),
            models.Index(fields=["campaign", "state"], name="contact_by_state"),
            models.Index(fields=["phone_number"], name="contact_by_number"),
        ]

    def __str__(self) -> str:
        return f"{self.phone_number} in {self.campaign_id}"


class CampaignEvent(models.Model):
    """One line of a campaign's append-only log."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField()
    kind = models.CharField(max_length=40)
    message = models.CharField(max_length=300)
    details = models.JSONField(default=dict, blank=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        verbose_name = "campaign log entry"
        verbose_name_plural = "campaign log"
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.message
