"""Campaigns, their contacts and their log."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils import timezone
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminFileFieldWidget

from campaigns.admin.agents import read_recording
from campaigns.admin.base import (
    OUTCOME_COLOURS,
    STATE_COLOURS,
    OwnerAdmin,
    RecordAdmin,
    changed_values,
    field_values,
    signed_in,
)
from campaigns.admin.campaign_steps import confirm_step, step_url
from campaigns.enums import App, CampaignState, ContactState
from campaigns.models import Campaign, CampaignEvent, Contact
from campaigns.policies.agent_setup import check_opening_wav
from campaigns.policies.cadence import parse_cadence
from campaigns.policies.calling_window import parse_window
from campaigns.policies.parameter_template import parse_template
from campaigns.queries.preflight import EXTENSION, preflight
from campaigns.queries.stats import campaign_stats
from campaigns.services import definitions
from campaigns.services.prompts import store_prompt
from campaigns.states import CAMPAIGN_STEPS, CampaignAction

_PARSERS = {"parameter_template": parse_template, "cadence": parse_cadence, "calling_window": parse_window}


class CampaignForm(forms.ModelForm):  # type: ignore[type-arg]
    recording = forms.FileField(
        required=False,
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": "audio/wav,.wav"}),
        label="Audio at answer",
        help_text="Played before the agent speaks when “is silence” is off. WAV, 16-bit PCM, mono, 8,000 Hz, "
        "at most 60 s.",
    )

    class Meta:
        model = Campaign
        fields = [
            "name",
            "customer_lists",
            "agent",
            "trunk",
            "app",
            "extension",
            "channel",
            "is_silence",
            "parameter_template",
            "max_concurrent_calls",
            "calls_per_second",
            "ring_timeout_s",
            "max_attempts",
            "priority",
            "cadence",
            "calling_window",
            "starts_at",
        ]
        help_texts = {
            "customer_lists": "Everybody on them becomes a contact when the campaign is launched.",
            "parameter_template": "A JSON object of what PSR hands to the bridge and the agent. Values may use "
            "{{ customer.name }} and {{ attributes.any_column }}.",
            "calls_per_second": "New calls a second; the trunk's own limit holds too.",
            "max_concurrent_calls": "Calls at once; the trunk's own limit holds too.",
            "max_attempts": "How often one contact is dialed at most.",
            "priority": "Higher goes first where campaigns share a trunk.",
            "cadence": 'Waits in seconds by outcome: {"waits_s": {"busy": [600], "default": [1800, 86400]}}.',
            "calling_window": 'Local hours by day: {"timezone": "", "days": {"mon": [["08:00", "20:00"]]}}. '
            "An empty time zone means the customer's own.",
            "starts_at": "Launching before this time schedules the campaign.",
        }

    def clean(self) -> dict[str, Any]:
        entered = super().clean() or {}
        errors: dict[str, str] = {}
        for name, parse in _PARSERS.items():
            if name in entered:
                try:
                    parse(entered[name])
                except ValueError as error:
                    errors[name] = str(error)
        if not errors and "parameter_template" in entered and entered.get("customer_lists"):
            template = parse_template(entered["parameter_template"])
            for chosen in entered["customer_lists"]:
                if missing := template.missing_columns(chosen.columns):
                    errors["parameter_template"] = f"The list “{chosen.name}” has no column {', '.join(missing)}."
        if entered.get("app") == App.DIAL and not EXTENSION.fullmatch(entered.get("extension", "")):
            errors["extension"] = "With dial, write the 2 to 6 digits of the extension that is rung first."
        if errors:
            raise forms.ValidationError(errors)
        return entered

    def clean_recording(self) -> bytes | None:
        return read_recording(self.cleaned_data["recording"], check_opening_wav)


def _stored(values: dict[str, Any]) -> dict[str, Any]:
    """Form values as the campaign has them: a recording becomes the name it is kept under."""
    recording = values.pop("recording", None)
    return values | ({"audio_file": store_prompt(recording)} if recording else {})


@admin.register(Campaign)
class CampaignAdmin(OwnerAdmin):
    owned = (Contact, CampaignEvent)
    form = CampaignForm
    list_display = ["name", "show_state", "show_progress", "agent", "trunk", "launched_at"]
    list_filter = ["state", "agent", "trunk", "customer_lists"]
    search_fields = ["name"]
    list_select_related = ["agent", "trunk"]
    autocomplete_fields = ["customer_lists"]
    actions = ["launch_chosen", "pause_chosen", "resume_chosen", "cancel_chosen"]
    actions_detail = ["launch", "pause", "resume", "cancel"]
    always_readonly = ["state", "show_progress", "show_problems", "audio_file", "launched_at", "finished_at"]
    fieldsets = [
        (None, {"fields": ["name", "state", "show_progress", "show_problems"]}),
        ("Whom and how", {"fields": ["customer_lists", "agent", "trunk", "app", "extension", "channel"]}),
        ("What is heard and told", {"fields": ["is_silence", "recording", "audio_file", "parameter_template"]}),
        ("Pace", {"fields": ["max_concurrent_calls", "calls_per_second", "ring_timeout_s", "priority"]}),
        ("When", {"fields": ["calling_window", "max_attempts", "cadence", "starts_at", "launched_at", "finished_at"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Campaign | None = None) -> list[str]:
        """What the campaign's state no longer lets anybody change, besides what nobody ever does."""
        if obj is None:
            return self.always_readonly
        changeable = definitions.CHANGEABLE[CampaignState(obj.state)]
        frozen = [name for name in CampaignForm.Meta.fields if name not in changeable]
        return [*self.always_readonly, *frozen]

    def get_fieldsets(self, request: HttpRequest, obj: Campaign | None = None) -> Any:
        if obj is None or "audio_file" in definitions.CHANGEABLE[CampaignState(obj.state)]:
            return self.fieldsets
        return [
            (title, {"fields": [name for name in options["fields"] if name != "recording"]})
            for title, options in self.fieldsets
        ]

    def get_urls(self) -> list[Any]:
        confirm = self.admin_site.admin_view(confirm_step)
        return [path("step/<str:action>/", confirm, name="campaigns_campaign_step"), *super().get_urls()]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Without deleting many at once: what was launched keeps its record."""
        return {name: chosen for name, chosen in super().get_actions(request).items() if name != "delete_selected"}

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_deletable = obj is None or obj.state in definitions.DELETABLE
        return is_deletable and super().has_delete_permission(request, obj)

    def delete_model(self, request: HttpRequest, obj: Campaign) -> None:
        definitions.delete_campaign(obj.pk)

    @display(description="State", label=STATE_COLOURS, ordering="state")
    def show_state(self, campaign: Campaign) -> tuple[str, str]:
        return campaign.state, str(campaign.get_state_display())

    @display(description="Progress")
    def show_progress(self, campaign: Campaign) -> str:
        if campaign.launched_at is None:
            return "–"
        stats = campaign_stats(campaign.pk, timezone.now())
        over = stats.contacts_total - stats.contacts[ContactState.PENDING] - stats.contacts[ContactState.DIALING]
        rate = "–" if stats.answer_rate is None else f"{stats.answer_rate:.0%}"
        return f"{over:,} of {stats.contacts_total:,} contacts, {stats.live_calls:,} calls now, answer rate {rate}"

    @display(description="Before launch")
    def show_problems(self, campaign: Campaign) -> str:
        if campaign._state.adding or CampaignAction.LAUNCH not in CAMPAIGN_STEPS[CampaignState(campaign.state)]:
            return "–"
        return " ".join(problem.message for problem in preflight(campaign)) or "Ready to launch."

    def save_model(self, request: HttpRequest, obj: Campaign, form: Any, change: bool) -> None:
        if change:
            definitions.change_campaign(obj.pk, _stored(changed_values(form)))
        else:
            obj.pk = definitions.create_campaign(_stored(field_values(form)), user=signed_in(request)).pk

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Nothing more: the lists were set together with the campaign."""

    @admin.action(description="Launch…", permissions=["change"])
    def launch_chosen(self, request: HttpRequest, chosen: QuerySet[Campaign]) -> HttpResponse:
        return _confirm(CampaignAction.LAUNCH, chosen)

    @admin.action(description="Pause…", permissions=["change"])
    def pause_chosen(self, request: HttpRequest, chosen: QuerySet[Campaign]) -> HttpResponse:
        return _confirm(CampaignAction.PAUSE, chosen)

    @admin.action(description="Resume…", permissions=["change"])
    def resume_chosen(self, request: HttpRequest, chosen: QuerySet[Campaign]) -> HttpResponse:
        return _confirm(CampaignAction.RESUME, chosen)

    @admin.action(description="Cancel…", permissions=["change"])
    def cancel_chosen(self, request: HttpRequest, chosen: QuerySet[Campaign]) -> HttpResponse:
        return _confirm(CampaignAction.CANCEL, chosen)

    @action(description="Launch…", url_path="launch", permissions=["change"])
    def launch(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return HttpResponseRedirect(step_url(CampaignAction.LAUNCH, [object_id]))

    @action(description="Pause…", url_path="pause", permissions=["change"])
    def pause(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return HttpResponseRedirect(step_url(CampaignAction.PAUSE, [object_id]))

    @action(description="Resume…", url_path="resume", permissions=["change"])
    def resume(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return HttpResponseRedirect(step_url(CampaignAction.RESUME, [object_id]))

    @action(description="Cancel…", url_path="cancel", permissions=["change"])
    def cancel(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return HttpResponseRedirect(step_url(CampaignAction.CANCEL, [object_id]))


def _confirm(step: CampaignAction, chosen: QuerySet[Campaign]) -> HttpResponse:
    return HttpResponseRedirect(step_url(step, chosen.values_list("pk", flat=True)))


@admin.register(Contact)
class ContactAdmin(RecordAdmin):
    list_display = [
        "phone_number",
        "name",
        "campaign",
        "show_state",
        "attempts_made",
        "show_outcome",
        "next_attempt_at",
    ]
    list_filter = ["state", "last_outcome", "campaign"]
    search_fields = ["phone_number", "name"]
    list_select_related = ["campaign"]

    @display(description="State", label=STATE_COLOURS, ordering="state")
    def show_state(self, contact: Contact) -> tuple[str, str]:
        return contact.state, str(contact.get_state_display())

    @display(description="Last outcome", label=OUTCOME_COLOURS, ordering="last_outcome")
    def show_outcome(self, contact: Contact) -> tuple[str, str] | None:
        return (contact.last_outcome, str(contact.get_last_outcome_display())) if contact.last_outcome else None


@admin.register(CampaignEvent)
class CampaignEventAdmin(RecordAdmin):
    list_display = ["at", "campaign", "kind", "message", "user"]
    list_filter = ["kind", "campaign"]
    search_fields = ["message"]
    list_select_related = ["campaign", "user"]
    date_hierarchy = "at"
