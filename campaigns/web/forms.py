"""What people may type into the lists' filters."""

from __future__ import annotations

from typing import Any

from django import forms

from campaigns.enums import ContactState, Outcome, call_protocols
from campaigns.models import Agent, Campaign
from campaigns.queries.calls import CallFilter, dispositions

MAX_SEARCH_CHARS = 100
MAX_DURATION_S = 86_400


def _date_field(label: str) -> forms.DateField:
    return forms.DateField(label=label, required=False, widget=forms.DateInput(attrs={"type": "date"}))


class CallFilterForm(forms.Form):
    """The filters above the list of calls."""

    text = forms.CharField(
        label="Said in the call",
        required=False,
        max_length=MAX_SEARCH_CHARS,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "Words in the transcript"}),
    )
    campaign = forms.ModelChoiceField(Campaign.objects.order_by("name"), required=False, empty_label="All campaigns")
    agent = forms.ModelChoiceField(Agent.objects.order_by("name"), required=False, empty_label="All agents")
    protocol = forms.ChoiceField(choices=[("", "All protocols"), *call_protocols()], required=False)
    outcome = forms.ChoiceField(choices=[("", "All outcomes"), *Outcome.choices], required=False)
    disposition = forms.ChoiceField(required=False)
    from_date = _date_field("From")
    to_date = _date_field("To")
    min_duration_s = forms.IntegerField(
        label="At least, seconds", required=False, min_value=0, max_value=MAX_DURATION_S
    )
    max_duration_s = forms.IntegerField(label="At most, seconds", required=False, min_value=0, max_value=MAX_DURATION_S)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = [(name, name.replace("_", " ").capitalize()) for name in dispositions()]
        self.fields["disposition"] = forms.ChoiceField(choices=[("", "All dispositions"), *known], required=False)

    def wanted(self) -> CallFilter:
        """The filter of a bound form; what could not be understood narrows nothing and is said at its field."""
        self.is_valid()
        data = self.cleaned_data
        campaign, agent = data.get("campaign"), data.get("agent")
        return CallFilter(
            campaign_id=campaign.pk if campaign else None,
            agent_id=agent.pk if agent else None,
            protocol=data.get("protocol", ""),
            outcome=data.get("outcome", ""),
            disposition=data.get("disposition", ""),
            from_date=data.get("from_date"),
            to_date=data.get("to_date"),
            min_duration_s=data.get("min_duration_s"),
            max_duration_s=data.get("max_duration_s"),
            text=data.get("text", ""),
        )


class ContactFilterForm(forms.Form):
    """The filters above a campaign's contacts."""

    state = forms.ChoiceField(choices=[("", "All states"), *ContactState.choices], required=False)
    outcome = forms.ChoiceField(choices=[("", "Any last outcome"), *Outcome.choices], required=False)
    search = forms.CharField(
        label="Name or number",
        required=False,
        max_length=MAX_SEARCH_CHARS,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "Name or number"}),
    )
