"""The buttons and list actions of a campaign's steps; each leads to the page that tells what the step will do."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.enums import ActionVariant

from campaigns.admin.campaign_copies import CLONE, possible
from campaigns.admin.campaign_steps import step_url
from campaigns.enums import CampaignState
from campaigns.models import Campaign
from campaigns.states import CAMPAIGN_STEPS, CampaignAction


class StepButtons(ModelAdmin):
    """Launch, pause, resume and cancel: on a campaign's page those its state allows, on the list all of them."""

    actions = ("launch_chosen", "pause_chosen", "resume_chosen", "cancel_chosen")
    actions_detail = ("launch", "pause", "resume", "cancel", "clone", "archive", "unarchive", "loosen")

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Only the steps that the campaign's state allows."""
        campaign = self.get_object(request, object_id)
        if campaign is None:
            return []
        own = {*CAMPAIGN_STEPS[CampaignState(campaign.state)], *possible(campaign), "rules"}
        return [step for step in super().get_actions_detail(request, object_id) if step.path in own]

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

    @action(description="Launch…", url_path="launch", permissions=["change"], variant=ActionVariant.PRIMARY)
    def launch(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return HttpResponseRedirect(step_url(CampaignAction.LAUNCH, [object_id]))

    @action(description="Pause…", url_path="pause", permissions=["change"], variant=ActionVariant.WARNING)
    def pause(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return HttpResponseRedirect(step_url(CampaignAction.PAUSE, [object_id]))

    @action(description="Resume…", url_path="resume", permissions=["change"], variant=ActionVariant.PRIMARY)
    def resume(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return HttpResponseRedirect(step_url(CampaignAction.RESUME, [object_id]))

    @action(description="Cancel…", url_path="cancel", permissions=["change"], variant=ActionVariant.DANGER)
    def cancel(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return HttpResponseRedirect(step_url(CampaignAction.CANCEL, [object_id]))

    def has_override_rules_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether this person may loosen a campaign's rules.

        A method, not the permission's own name: that is looked up in the database, which a system check must not need.
        """
        del object_id
        return request.user.has_perm("campaigns.override_rules")

    @action(description="Loosen the rules…", url_path="rules", permissions=["override_rules"])
    def loosen(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:campaigns_campaign_rules", args=[object_id]))

    @action(description="Clone…", url_path=CLONE, permissions=["change"])
    def clone(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:campaigns_campaign_clone_named", args=[object_id]))

    @action(description="Archive…", url_path="archive", permissions=["change"])
    def archive(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:campaigns_campaign_file", args=[object_id, "archive"]))

    @action(description="Take out of the archive…", url_path="unarchive", permissions=["change"])
    def unarchive(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:campaigns_campaign_file", args=[object_id, "unarchive"]))


def _confirm(step: CampaignAction, chosen: QuerySet[Campaign]) -> HttpResponse:
    return HttpResponseRedirect(step_url(step, chosen.values_list("pk", flat=True)))
