"""The form of a campaign, and which of its fields a state lets anybody change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.http import QueryDict
from django.urls import reverse
from unfold.widgets import UnfoldAdminFileFieldWidget

from campaigns.admin.agents import read_recording
from campaigns.admin.base import name_date_and_time
from campaigns.admin.cadence_field import CadenceField
from campaigns.admin.list_fields import ExtensionsField
from campaigns.admin.parameter_field import ParametersField, placeholders_for
from campaigns.admin.row_fields import calling_window_field
from campaigns.enums import App
from campaigns.models import Campaign, CustomerList, ListEntry
from campaigns.policies.agent_setup import check_opening_wav
from campaigns.policies.holiday_sets import parse_holiday_set
from campaigns.policies.parameter_template import parse_template
from campaigns.services.prompts import store_prompt

# What stands in the place of a field that may not be changed now: the same in words, or nothing.
IN_WORDS = {
    "extensions": "show_extensions",
    "calling_window": "show_window",
    "cadence": "show_cadence",
    "parameter_template": "show_parameters",
    "recording": "show_audio",
}
FIELDSETS: tuple[tuple[str | None, tuple[str, ...]], ...] = (
    (None, ("name", "state", "show_progress", "show_problems", "launched_at", "finished_at")),
    ("Whom and how", ("customer_lists", "agent", "trunk", "app", "extensions", "channel")),
    ("What is heard and told", ("is_silence", "recording", "parameter_template")),
    ("Pace", ("max_concurrent_calls", "calls_per_second", "ring_timeout_s", "priority", "weight")),
    (
        "Rules",
        (
            "rule_profile",
            "show_rules",
            "consent_attribute",
            "calls_per_number_day",
            "calls_per_number_week",
            "number_gap_s",
        ),
    ),
    ("Careful start", ("ramp_up_minutes", "canary_calls", "canary_answered_min", "canary_failed_max", "canary_state")),
    ("When", ("calling_window", "holidays", "max_attempts", "cadence", "starts_at")),
)


class CampaignForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    recording = forms.FileField(
        required=False,
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": "audio/wav,.wav"}),
        label="Audio at answer",
        help_text="Played before the agent speaks, unless nothing is to be played. WAV, 16-bit PCM, mono, 8,000 Hz, "
        "at most 60 s.",
    )
    parameter_template = ParametersField(
        label="Parameters",
        help_text="What PSR hands to the bridge and the agent with each call.",
    )
    extensions = ExtensionsField(
        help_text="With dial: the one that was idle longest is rung first, then the customer. There are never two "
        "calls at once on one.",
    )
    calling_window = calling_window_field(
        label="Calling window",
        help_text="Hours in which people may be called, for example 08:00-12:00, 13:00-20:00. An empty day is closed. "
        "22:00-02:00 ends on the next day.",
    )
    cadence = CadenceField(
        label="Waits before the next try",
        help_text="Waits are for example 10 min, 2 h, next day, other part of the day: the first after the first such "
        "attempt, and so on; after the last one the contact is given up, or, with a number under “At most”, the last "
        "one is repeated until so many such attempts were made. The row that names most decides. An answered call is "
        "tried again only for the disposition of its row.",
    )

    class Meta:
        model = Campaign
        fields = [
            "name",
            "customer_lists",
            "agent",
            "trunk",
            "app",
            "extensions",
            "channel",
            "is_silence",
            "parameter_template",
            "max_concurrent_calls",
            "calls_per_second",
            "ring_timeout_s",
            "max_attempts",
            "priority",
            "weight",
            "ramp_up_minutes",
            "canary_calls",
            "canary_answered_min",
            "canary_failed_max",
            "cadence",
            "calling_window",
            "holidays",
            "rule_profile",
            "consent_attribute",
            "calls_per_number_day",
            "calls_per_number_week",
            "number_gap_s",
            "starts_at",
        ]
        help_texts = {
            "customer_lists": "Everybody on them becomes a contact when the campaign is launched.",
            "is_silence": "The agent speaks first. Switch it off to play a recording before.",
            "calls_per_second": "New calls a second; the trunk's own limit holds too.",
            "max_concurrent_calls": "The trunk's own limit holds too.",
            "ring_timeout_s": "How long a phone rings at most. Empty: the platform's RING_TIMEOUT_S.",
            "max_attempts": "How often one contact is dialed at most.",
            "rule_profile": "Hours, caps and consent by country and purpose. You answer for the choice and the law.",
            "consent_attribute": "The column that says whether the customer has consented: yes, no, or the last day. "
            "Without consent nobody is called. Empty: it is not asked for, unless the calling rules do.",
            "calls_per_number_day": "Calls of all campaigns count. Can only be stricter than the profile.",
            "calls_per_number_week": "Calls of all campaigns count. Can only be stricter than the profile.",
            "number_gap_s": "Between calls of whichever campaigns. Can only be stricter than the profile.",
            "holidays": "A country, for example VN, or a part of one, US-CA: nobody is called on its public holidays, "
            "where the customer is. Empty: only blackout dates.",
            "weight": "Its part of the trunk next to other campaigns of its priority: 3 gets three calls for one of 1.",
            "ramp_up_minutes": "From the launch it grows from a tenth of its calls per second to all. 0: all at once.",
            "canary_calls": "It goes on by itself only if these went well, else it is paused. 0: none are looked at.",
            "canary_answered_min": "Of these first calls, as a fraction: 0.1 is one in ten.",
            "canary_failed_max": "Of these first calls, as a fraction: 0.2 is one in five. Failed are those "
            "refused or congested, and those of which nobody knows.",
            "priority": "Higher goes first where campaigns share a trunk; the others get a call a minute at least.",
            "starts_at": "Launching before this time schedules the campaign.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "starts_at" in self.fields:
            name_date_and_time(self.fields["starts_at"], "Starts at")
        if "parameter_template" in self.fields:
            widget = self.fields["parameter_template"].widget
            widget.placeholders = placeholders_for(self._chosen_lists())
            widget.placeholders_url = reverse("admin:campaigns_campaign_placeholders")

    def clean(self) -> dict[str, Any]:
        entered = super().clean() or {}
        errors: dict[str, list[str]] = {}
        lists = entered.get("customer_lists") or ()
        is_settled = "parameter_template" not in self.fields
        template = self.instance.parameter_template if is_settled else entered.get("parameter_template")
        if missing := _missing_columns(template, lists):
            errors["customer_lists" if is_settled else "parameter_template"] = missing
        elif lists and is_settled and not ListEntry.objects.filter(list__in=lists).exists():
            errors["customer_lists"] = ["The chosen lists are empty. Import customers first."]
        # Of a launched campaign the app is settled; what is wrong with the text itself was told before.
        app = self.instance.app if "app" not in self.fields else entered.get("app")
        if app == App.DIAL and entered.get("extensions") == []:
            errors["extensions"] = ["With dial, write the 2 to 6 digits of each extension that may be rung first."]
        if errors:
            raise forms.ValidationError(errors)
        return entered

    def clean_holidays(self) -> str:
        try:
            return parse_holiday_set(self.cleaned_data["holidays"])
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error

    def clean_recording(self) -> bytes | None:
        return read_recording(self.cleaned_data["recording"], check_opening_wav)

    def _chosen_lists(self) -> Iterable[CustomerList]:
        if isinstance(self.data, QueryDict) and "customer_lists" in self.data:
            return lists_of(self.data.getlist("customer_lists"))
        return self.instance.customer_lists.order_by("pk") if self.instance.pk else ()


def lists_of(ids: Iterable[str]) -> list[CustomerList]:
    """The lists with these ids, as a form sends them; what is no id is passed over."""
    wanted = [int(part) for part in ids if part.isascii() and part.isdigit() and len(part) <= 18]
    return list(CustomerList.objects.filter(pk__in=wanted).order_by("pk"))


def stored(values: dict[str, Any]) -> dict[str, Any]:
    """Form values as the campaign has them: a recording becomes the name it is kept under."""
    recording = values.pop("recording", None)
    return values | ({"audio_file": store_prompt(recording)} if recording else {})


def _missing_columns(template: Any, lists: Iterable[CustomerList]) -> list[str]:
    if template is None:
        return []
    parsed = parse_template(template)
    return [
        f"The list “{chosen.name}” has no column {', '.join(missing)}."
        for chosen in lists
        if (missing := parsed.missing_columns(chosen.columns))
    ]
