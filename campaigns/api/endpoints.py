"""`stream-endpoints/`: the doors of vendors that call us. The key is shown once, when it is made."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.api import fields
from campaigns.api.serializers import StrictModelSerializer
from campaigns.api.views import ReadOnlyView, refuse_body
from campaigns.enums import inbound_protocols
from campaigns.models import StreamEndpoint
from campaigns.policies.endpoint_options import check_options
from campaigns.services import endpoints


class StreamEndpointSerializer(StrictModelSerializer[StreamEndpoint]):
    protocol = fields.TextField(max_length=16, help_text="`ucid`, `livecall` …: how the vendor speaks")
    config = fields.ObjectField(required=False, help_text="The protocol's options")
    allowed_networks = fields.NetworksField(required=False)
    is_active = fields.FlagField(required=False)

    class Meta:
        model = StreamEndpoint
        fields = [
            "id",
            "name",
            "protocol",
            "agent",
            "config",
            "allowed_networks",
            "is_active",
            "key_prefix",
            "key_made_at",
            "last_used_at",
            "created_at",
        ]
        read_only_fields = ["id", "key_prefix", "key_made_at", "last_used_at", "created_at"]

    def validate_protocol(self, value: str) -> str:
        """The protocol, if calls come by themselves in it."""
        names = [name for name, _ in inbound_protocols()]
        if value not in names:
            raise serializers.ValidationError(f"Must be one of: {', '.join(names)}.", code="invalid_choice")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The values, if the options are such as the protocol knows."""
        stored = self.instance if isinstance(self.instance, StreamEndpoint) else StreamEndpoint()
        options = attrs.get("config", stored.config)
        try:
            check_options(attrs.get("protocol", stored.protocol), options)
        except ValueError as error:
            raise serializers.ValidationError({"config": [str(error)]}, code="bad_options") from error
        return attrs


class EndpointKeySerializer(StreamEndpointSerializer):
    """An endpoint with its key, which is shown this once."""

    key = serializers.CharField(read_only=True)

    class Meta(StreamEndpointSerializer.Meta):
        fields = [*StreamEndpointSerializer.Meta.fields, "key"]
        read_only_fields = [*StreamEndpointSerializer.Meta.read_only_fields, "key"]


class StreamEndpointView(ReadOnlyView):
    """The doors of vendors that call us."""

    queryset = StreamEndpoint.objects.order_by("name")
    serializer_class = StreamEndpointSerializer
    unrepeated_fields = ("key",)

    @extend_schema(responses={201: EndpointKeySerializer})
    def create(self, request: Request) -> Response:
        """Add an endpoint. The answer holds the key its vendor connects with; it is not shown again."""
        made = endpoints.create_stream_endpoint(self.checked(request), now=timezone.now())
        return _with_key(*made, code=status.HTTP_201_CREATED)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change an endpoint, or switch it on or off. Live calls go on as they began."""
        endpoint = self.get_object()
        return self.shown(endpoints.change_stream_endpoint(endpoint, self.checked(request, endpoint)))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Remove an endpoint through which no call came."""
        endpoints.delete_stream_endpoint(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses={200: EndpointKeySerializer})
    @action(detail=True, methods=["post"], url_path="rotate-key")
    def rotate_key(self, request: Request, pk: str) -> Response:
        """Make a new key and show it once; the old one opens nothing any more."""
        refuse_body(request)
        return _with_key(*endpoints.rotate_key(self.get_object().pk, now=timezone.now()), code=status.HTTP_200_OK)


def _with_key(endpoint: StreamEndpoint, key: str, *, code: int) -> Response:
    return Response({**StreamEndpointSerializer(endpoint).data, "key": key}, status=code)
