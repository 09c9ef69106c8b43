"""Campaigns, their contacts and their log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from unfold.decorators import display
from unfold.views import ChangeList

from campaigns.admin.base import (
    OUTCOME_COLOURS,
    STATE_COLOURS,
    OwnerAdmin,
    RecordAdmin,
    changed_values,
    field_values,
    pairs_in_lines,
    signed_in,
)
from campaigns.admin.campaign_copies import confirm_clone, confirm_filing
from campaigns.admin.campaign_form import FIELDSETS, IN_WORDS, CampaignForm, lists_of, stored
from campaigns.admin.campaign_steps import confirm_step
from campaigns.admin.parameter_field import placeholders_for
from campaigns.admin.rule_override import RulesShown, loosen_rules
from campaigns.admin.settled_fields import SettledShown
from campaigns.admin.step_buttons import StepButtons
from campaigns.enums import CampaignState, ContactState
from campaigns.models import Campaign, CampaignEvent, Contact
from campaigns.queries.overview import Progress, progress_of
from campaigns.queries.preflight import preflight
from campaigns.queries.stats import campaign_stats
from campaigns.services import definitions
from campaigns.states import CAMPAIGN_STEPS, CampaignAction
from campaigns.tasks.launching import fill_contacts
from campaigns.tasks.sending import send


class ArchivedFilter(admin.SimpleListFilter):
    """Archived campaigns show only when they are asked for."""

    title = "archive"
    parameter_name = "archived"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Archived"), ("all", "All")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Campaign]) -> QuerySet[Campaign]:
        return queryset if self.value() == "all" else queryset.filter(archived_at__isnull=self.value() != "yes")

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Django's first choice, “All”, stands for what is shown without one."""
        first, *others = super().choices(changelist)
        yield {**first, "display": "Not archived"}
        yield from others


class ProgressList(ChangeList):
    """A page of campaigns, each with how far it has come: one query for all of them."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        for progress in progress_of(self.result_list):
            progress.campaign.progress = progress  # type: ignore[attr-defined]  # read by list_progress


@admin.register(Campaign)
class CampaignAdmin(StepButtons, RulesShown, SettledShown, OwnerAdmin):
    owned = (Contact, CampaignEvent)
    form = CampaignForm
    list_display = ["name", "show_state", "list_progress", "agent", "trunk", "launched_at"]
    list_filter = [ArchivedFilter, "state", "agent", "trunk", "customer_lists"]
    search_fields = ["name"]
    list_select_related = ["agent", "trunk"]
    autocomplete_fields = ["customer_lists"]
    always_readonly = (
        "state",
        "show_progress",
        "show_problems",
        "show_rules",
        "canary_state",
        "launched_at",
        "finished_at",
        *IN_WORDS.values(),
    )

    def _changeable(self, request: HttpRequest, obj: Campaign | None) -> frozenset[str]:
        """The fields of the form this person may change now."""
        may_enter = self.has_add_permission(request) if obj is None else self.has_change_permission(request, obj)
        if not may_enter:
            return frozenset()
        fields = definitions.CHANGEABLE[CampaignState.DRAFT if obj is None else CampaignState(obj.state)]
        return fields | ({"recording"} if "audio_file" in fields else set())

    def get_readonly_fields(self, request: HttpRequest, obj: Campaign | None = None) -> list[str]:
        """What the campaign's state no longer lets anybody change, besides what nobody ever does."""
        changeable = self._changeable(request, obj)
        frozen = [name for name in (*CampaignForm.Meta.fields, "recording") if name not in changeable]
        return [*self.always_readonly, *frozen]

    def get_fieldsets(self, request: HttpRequest, obj: Campaign | None = None) -> Any:
        """Without what says nothing yet, and with words in the place of fields that may not be changed."""
        changeable = self._changeable(request, obj)
        silent = _silent_fields(obj)
        return [
            (title, {"fields": [n if n in changeable else IN_WORDS.get(n, n) for n in names if n not in silent]})
            for title, names in FIELDSETS
        ]

    def view_on_site(self, obj: Campaign) -> str:
        """The supervisors' page of the campaign."""
        return reverse("campaign", args=[obj.pk])

    def get_urls(self) -> list[Any]:
        confirm = self.admin_site.admin_view(confirm_step)
        clone, file = self.admin_site.admin_view(confirm_clone), self.admin_site.admin_view(confirm_filing)
        loosen = self.admin_site.admin_view(loosen_rules)
        placeholders = self.admin_site.admin_view(self.show_placeholders)
        return [
            path("<int:campaign_id>/loosen/", loosen, name="campaigns_campaign_rules"),
            path("step/<str:action>/", confirm, name="campaigns_campaign_step"),
            path("<int:campaign_id>/clone-as/", clone, name="campaigns_campaign_clone_named"),
            path("<int:campaign_id>/file/<str:name>/", file, name="campaigns_campaign_file"),
            path("placeholders/", placeholders, name="campaigns_campaign_placeholders"),
            *super().get_urls(),
        ]

    def show_placeholders(self, request: HttpRequest) -> HttpResponse:
        """The part of the form that names what a template may use with the lists asked for."""
        if not (self.has_view_permission(request) or self.has_add_permission(request)):
            raise PermissionDenied
        offered = placeholders_for(lists_of(request.GET.getlist("lists")))
        return TemplateResponse(request, "admin/campaigns/widgets/placeholders.html", {"placeholders": offered})

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

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """With the progress of all shown campaigns, asked for at once."""
        return ProgressList

    @display(description="Progress")
    def list_progress(self, campaign: Campaign) -> str:
        progress: Progress = campaign.progress  # type: ignore[attr-defined]  # set by ProgressList
        return f"{progress.settled:,} of {progress.total:,} contacts" if campaign.launched_at else "–"

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
        return " ".join(problem.message for problem in preflight(campaign, timezone.now())) or "Ready to launch."

    def save_model(self, request: HttpRequest, obj: Campaign, form: Any, change: bool) -> None:
        if change:
            values = stored(changed_values(form))
            campaign = definitions.change_campaign(obj.pk, values, user=signed_in(request), now=timezone.now())
            if campaign.lists_followed_to is not None:
                # Without a broker the change stands, and the beat takes it up.
                send(fill_contacts, campaign_id=campaign.pk)
        else:
            values = stored(field_values(form))
            obj.pk = definitions.create_campaign(values, user=signed_in(request), now=timezone.now()).pk

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Nothing more: the lists were set together with the campaign."""


def _silent_fields(campaign: Campaign | None) -> frozenset[str]:
    """Fields that have nothing to say about a campaign as it is."""
    if campaign is None:
        nothing_yet = {"show_progress", "show_problems", "show_rules"}
        return frozenset({"state", "canary_state", "launched_at", "finished_at"} | nothing_yet)
    is_launchable = CampaignAction.LAUNCH in CAMPAIGN_STEPS[CampaignState(campaign.state)]
    has_something = {
        "canary_state": bool(campaign.canary_state),
        "show_problems": is_launchable,
        "show_progress": campaign.launched_at is not None,
        "launched_at": campaign.launched_at is not None,
        "finished_at": campaign.finished_at is not None,
    }
    return frozenset(name for name, is_told in has_something.items() if not is_told)


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
    exclude = ["attributes"]
    readonly_fields = ["show_attributes"]

    def view_on_site(self, obj: Contact) -> str:
        """The supervisors' page of the contact."""
        return reverse("contact", args=[obj.pk])

    @display(description="Attributes")
    def show_attributes(self, contact: Contact) -> str:
        return pairs_in_lines(contact.attributes)

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
