"""`webhook-endpoints/`: where events are sent, and every try to deliver them."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.api import fields
from campaigns.api.filters import DeliveryFilter
from campaigns.api.serializers import StrictModelSerializer
from campaigns.api.views import ReadOnlyView, enqueue_on_commit, page_of, refuse_body
from campaigns.enums import WebhookEvent
from campaigns.models import WebhookDelivery, WebhookDeliveryAttempt, WebhookEndpoint
from campaigns.services import definitions, webhooks
from campaigns.tasks.webhooks import deliver

URL_MAX_CHARS = 2_048


class WebhookEndpointSerializer(StrictModelSerializer[WebhookEndpoint]):
    url = fields.TextField(max_length=URL_MAX_CHARS)
    events = serializers.ListField(
        child=fields.ChoiceField(choices=WebhookEvent.choices), required=False, help_text="Empty: all of them"
    )
    is_enabled = fields.FlagField(required=False)

    class Meta:
        model = WebhookEndpoint
        fields = [
            "id",
            "url",
            "description",
            "events",
            "is_enabled",
            "disabled_reason",
            "first_failure_at",
            "previous_secret_until",
            "created_at",
        ]
        read_only_fields = ["id", "disabled_reason", "first_failure_at", "previous_secret_until", "created_at"]


class NewEndpointSerializer(WebhookEndpointSerializer):
    """An endpoint with its secret, which is shown this once."""

    class Meta(WebhookEndpointSerializer.Meta):
        fields = [*WebhookEndpointSerializer.Meta.fields, "secret"]
        read_only_fields = [*WebhookEndpointSerializer.Meta.read_only_fields, "secret"]


class DeliveryAttemptSerializer(StrictModelSerializer[WebhookDeliveryAttempt]):
    class Meta:
        model = WebhookDeliveryAttempt
        fields = ["at", "status_code", "duration_ms", "error", "response_excerpt"]
        read_only_fields = fields


class DeliverySerializer(StrictModelSerializer[WebhookDelivery]):
    event_id = serializers.UUIDField(help_text="Stands in the `webhook-id` header")
    event_type = serializers.CharField(source="event.type")
    attempts = DeliveryAttemptSerializer(many=True)

    class Meta:
        model = WebhookDelivery
        fields = ["id", "event_id", "event_type", "state", "tries", "next_at", "delivered_at", "attempts"]
        read_only_fields = fields


DELIVERY_ID = OpenApiParameter("delivery_id", OpenApiTypes.INT, OpenApiParameter.PATH)


class WebhookEndpointView(ReadOnlyView):
    """Where events are sent."""

    queryset = WebhookEndpoint.objects.order_by("id")
    serializer_class = WebhookEndpointSerializer

    @extend_schema(responses={201: NewEndpointSerializer})
    def create(self, request: Request) -> Response:
        """Add an endpoint. The answer holds the secret that signs its messages; it is not shown again."""
        values = self.checked(request)
        endpoint = definitions.create_endpoint(values)
        return Response(NewEndpointSerializer(endpoint).data, status=status.HTTP_201_CREATED)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change an endpoint, or switch it on or off. Switching it on forgets its failures."""
        endpoint = self.get_object()
        return self.shown(definitions.change_endpoint(endpoint, self.checked(request, endpoint)))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Remove an endpoint with its deliveries."""
        definitions.delete_endpoint(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses=DeliverySerializer(many=True))
    @action(detail=True, methods=["get"], filterset_class=DeliveryFilter)
    def deliveries(self, request: Request, pk: str) -> Response:
        """What was sent to the endpoint, newest first, with every try."""
        endpoint = get_object_or_404(WebhookEndpoint, pk=pk)
        rows = WebhookDelivery.objects.filter(endpoint=endpoint).select_related("event").prefetch_related("attempts")
        return page_of(self, self.filter_queryset(rows.order_by("-id")), DeliverySerializer)

    @extend_schema(request=None, responses={202: DeliverySerializer}, parameters=[DELIVERY_ID])
    @action(detail=True, methods=["post"], url_path="deliveries/(?P<delivery_id>[0-9]{1,18})/replay")
    def replay(self, request: Request, pk: str, delivery_id: str) -> Response:
        """Send a delivery again, under the same `webhook-id`."""
        refuse_body(request)
        wanted = get_object_or_404(WebhookDelivery, pk=delivery_id, endpoint=self.get_object())
        return self._on_its_way(webhooks.replay(wanted.pk, now=timezone.now()))

    @extend_schema(request=None, responses={202: DeliverySerializer})
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """Send a `webhook.test` event to this endpoint alone."""
        refuse_body(request)
        return self._on_its_way(webhooks.send_test(self.get_object().pk, now=timezone.now()))

    @extend_schema(request=None, responses={200: NewEndpointSerializer})
    @action(detail=True, methods=["post"], url_path="rotate-secret")
    def rotate_secret(self, request: Request, pk: str) -> Response:
        """Make a new secret and show it once; the old one signs too for 24 hours."""
        refuse_body(request)
        endpoint = webhooks.rotate_secret(self.get_object().pk, now=timezone.now())
        return Response(NewEndpointSerializer(endpoint).data)

    def _on_its_way(self, delivery: WebhookDelivery) -> Response:
        enqueue_on_commit(deliver, delivery_id=delivery.pk)
        return Response(DeliverySerializer(delivery).data, status=status.HTTP_202_ACCEPTED)

    def _known_parameters(self) -> Any:
        known = tuple(super()._known_parameters())
        return ("page", "page_size", "state") if self.action == "deliveries" else known
