"""Loosening a campaign's calling rules: for those with the permission, and never without a reason."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from campaigns.admin.base import in_lines, signed_in
from campaigns.errors import RulesKept
from campaigns.models import Campaign
from campaigns.policies.rule_profiles import CALLS_MAX
from campaigns.policies.rule_text import rules_in_words
from campaigns.policies.window_text import parse_day
from campaigns.queries.calling_rules import rules_of
from campaigns.services.rule_overrides import PERMISSION, REASON_MIN_CHARS, override_rules

MINUTE_S = 60


class RulesShown(ModelAdmin):
    """The rules that hold for a campaign, in words."""

    @display(description="Rules in force")
    def show_rules(self, campaign: Campaign) -> str:
        if campaign._state.adding:
            return "–"
        return in_lines(rules_in_words(rules_of(campaign, timezone.now())))


class OverrideForm(forms.Form):
    """What is to stand in the profile's place; an empty field keeps the profile's own."""

    hours = forms.CharField(
        required=False, help_text="For example 08:00-19:00. Empty: the profile's", widget=UnfoldAdminTextInputWidget
    )
    calls_per_day = forms.IntegerField(
        label="Most calls to one number in 24 hours",
        required=False,
        min_value=1,
        max_value=CALLS_MAX,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    calls_per_week = forms.IntegerField(
        label="Most calls to one number in 7 days",
        required=False,
        min_value=1,
        max_value=CALLS_MAX,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    min_gap_minutes = forms.IntegerField(
        label="Least time between calls to one number (minutes)",
        required=False,
        min_value=0,
        max_value=90 * 24 * 60,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    reason = forms.CharField(
        min_length=REASON_MIN_CHARS,
        max_length=200,
        help_text="Stands in the campaign's log with your name",
        widget=UnfoldAdminTextInputWidget,
    )

    def clean_hours(self) -> list[str] | None:
        try:
            ranges = parse_day(self.cleaned_data["hours"])
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error
        if len(ranges) > 1:
            raise forms.ValidationError("Write one range.")
        return ranges[0] if ranges else None

    def changes(self) -> dict[str, Any]:
        """The override as it is stored."""
        entered = self.cleaned_data
        gap = entered["min_gap_minutes"]
        values = {name: entered[name] for name in ("hours", "calls_per_day", "calls_per_week")}
        values["min_gap_s"] = None if gap is None else gap * MINUTE_S
        return {name: value for name, value in values.items() if value is not None}


def loosen_rules(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """The form, and what holds now; posted, the override stands in place of an earlier one."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    campaign = get_object_or_404(Campaign, pk=campaign_id)
    back = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    form = OverrideForm(request.POST or None, initial=_entered(campaign.rule_override))
    if request.method == "POST" and form.is_valid():
        try:
            override_rules(
                campaign.pk,
                form.changes(),
                reason=form.cleaned_data["reason"],
                user=signed_in(request),
                now=timezone.now(),
            )
        except RulesKept as refusal:
            form.add_error(None, refusal.detail)
        else:
            messages.success(request, f"The rules of “{campaign.name}” were changed. The log says so.")
            return HttpResponseRedirect(back)
    context = admin.site.each_context(request) | {
        "title": f"Loosen the rules of “{campaign.name}”",
        "form": form,
        "in_force": rules_in_words(rules_of(campaign, timezone.now())),
        "back": back,
    }
    return TemplateResponse(request, "admin/campaigns/campaign/rules.html", context)


def _entered(override: dict[str, Any]) -> dict[str, Any]:
    hours, gap_s = override.get("hours"), override.get("min_gap_s")
    return override | {
        "hours": "-".join(hours) if hours else "",
        "min_gap_minutes": None if gap_s is None else int(gap_s // MINUTE_S),
    }
