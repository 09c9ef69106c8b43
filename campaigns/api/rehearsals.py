"""Rehearsals of a campaign: asking for one, and its report."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.api import fields
from campaigns.api.serializers import StrictInput
from campaigns.api.views import ReadOnlyView, enqueue_on_commit, token_of
from campaigns.models import CampaignEvent
from campaigns.policies.cadence import DAY_S
from campaigns.queries.rehearsals import kept_rehearsal
from campaigns.services.rehearsal import KEPT_LIMIT
from campaigns.tasks.rehearsals import rehearse_campaign

LIMIT_MAX = 1_000
SEED_MAX = 2**31 - 1


class RehearseSerializer(StrictInput):
    limit = fields.WholeNumberField(
        min_value=1, max_value=LIMIT_MAX, default=KEPT_LIMIT, help_text="Contacts that are played at most"
    )
    seed = fields.WholeNumberField(min_value=0, max_value=SEED_MAX, default=1)
    answer_rate = fields.NumberField(
        min_value=0, max_value=1, default=None, allow_null=True, help_text="Null: as calls have gone lately"
    )
    talk_s = fields.NumberField(
        min_value=0, max_value=DAY_S, default=None, allow_null=True, help_text="Null: as calls have gone lately"
    )


class RehearsalSerializer(serializers.ModelSerializer[CampaignEvent]):
    report = serializers.JSONField(
        source="details.report", default=None, help_text="As manage.py rehearse --json prints it; null where it failed"
    )

    class Meta:
        model = CampaignEvent
        fields = ["at", "message", "report"]


class RehearsalActions(ReadOnlyView):
    """What a campaign's view can do with rehearsals."""

    @extend_schema(request=RehearseSerializer, responses={202: None})
    @action(detail=True, methods=["post"])
    def rehearse(self, request: Request, pk: str) -> Response:
        """Play the campaign with nobody at the other end. Its report comes within a minute or two; nobody is called."""
        given = RehearseSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        user_id = token_of(request).user_id
        values: dict[str, Any] = given.validated_data
        enqueue_on_commit(rehearse_campaign, campaign_id=self.get_object().pk, user_id=user_id, **values)
        return Response(status=status.HTTP_202_ACCEPTED)

    @extend_schema(responses=RehearsalSerializer)
    @action(detail=True, methods=["get"])
    def rehearsal(self, request: Request, pk: str) -> Response:
        """The latest rehearsal: how the campaign would go. 404 until there is one; earlier ones stand in the log."""
        kept = kept_rehearsal(self.get_object().pk)
        if kept is None:
            raise NotFound("The campaign has not been rehearsed yet.", code="not_ready")
        return Response(RehearsalSerializer(kept).data)
