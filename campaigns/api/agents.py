"""`agents/`: the AI voices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.api import fields
from campaigns.api.serializers import StrictModelSerializer
from campaigns.api.views import ReadOnlyView
from campaigns.models import Agent
from campaigns.services import definitions
from campaigns.services.agents import check_agent


class AgentSerializer(StrictModelSerializer[Agent]):
    config = fields.ObjectField(required=False)

    class Meta:
        model = Agent
        fields = ["id", "name", "kind", "config", "version", "created_at", "updated_at"]
        read_only_fields = ["id", "version", "created_at", "updated_at"]

    def validate(self, attrs: Mapping[str, Any]) -> Mapping[str, Any]:
        """The fields, where an agent can be built from kind and configuration together."""
        kind, config = (attrs.get(name, getattr(self.instance or Agent(), name)) for name in ("kind", "config"))
        try:
            check_agent(kind, config)
        except ValueError as error:
            raise serializers.ValidationError({"config": str(error)}) from error
        return attrs


class AgentView(ReadOnlyView):
    """The AI voices a campaign can speak with."""

    queryset = Agent.objects.order_by("name")
    serializer_class = AgentSerializer

    def create(self, request: Request) -> Response:
        """Add an agent."""
        return self.shown(definitions.create_agent(self.checked(request)), is_new=True)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change an agent; its version rises when `kind` or `config` does. Live calls keep the voice they have."""
        agent = self.get_object()
        return self.shown(definitions.change_agent(agent, self.checked(request, agent)))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Remove an agent that no campaign and no call names."""
        definitions.delete_agent(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)
