"""`trunks/`: accounts at a switch. The token goes in and never comes out."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.api import fields
from campaigns.api.serializers import StrictModelSerializer
from campaigns.api.views import ReadOnlyView, refuse_body
from campaigns.models import Trunk
from campaigns.services import definitions
from campaigns.services.trunks import release_hold
from telephony.errors import LocalProtocolError
from telephony.psr.payloads import check_token

MAX_CONCURRENT_CALLS = 10_000
MAX_CALLS_PER_SECOND = 1_000
TOKEN_ADVICE = "Give the token alone, ASCII without spaces; the word before it is `auth_scheme`."  # noqa: S105  advice


class TrunkSerializer(StrictModelSerializer[Trunk]):
    token = fields.TextField(write_only=True, required=False, max_length=500, help_text="Write-only")
    has_token = serializers.SerializerMethodField()
    allowed_networks = fields.NetworksField(required=False)
    allowed_countries = fields.CountriesField(required=False)
    max_concurrent_calls = fields.WholeNumberField(min_value=1, max_value=MAX_CONCURRENT_CALLS, required=False)
    calls_per_second = fields.NumberField(min_value=0.01, max_value=MAX_CALLS_PER_SECOND, required=False)

    class Meta:
        model = Trunk
        fields = [
            "id",
            "name",
            "base_url",
            "auth_scheme",
            "token",
            "has_token",
            "dial_format",
            "max_concurrent_calls",
            "calls_per_second",
            "tenant",
            "allowed_networks",
            "allowed_countries",
            "is_enabled",
            "hold",
            "hold_detail",
            "throttled_until",
        ]
        read_only_fields = ["id", "hold", "hold_detail", "throttled_until"]

    def get_has_token(self, trunk: Trunk) -> bool:
        """Whether a token is set."""
        return bool(trunk.token)

    def validate_token(self, value: str) -> str:
        """The token, if it can be sent: alone, without the scheme before it."""
        try:
            return check_token(value)
        except LocalProtocolError as error:
            raise serializers.ValidationError(TOKEN_ADVICE, code="bad_token") from error

    def validate_base_url(self, value: str) -> str:
        """The address, if it is http(s) without user, path, query or fragment."""
        parts = urlsplit(value)
        is_bare = parts.path in ("", "/") and not (parts.query or parts.fragment or parts.username)
        if parts.scheme not in ("http", "https") or not parts.hostname or not is_bare:
            raise serializers.ValidationError("Must be like https://psr.example.com, without a path.", code="bad_url")
        return value.rstrip("/")


class TrunkView(ReadOnlyView):
    """Accounts at a switch, with what they may carry."""

    queryset = Trunk.objects.order_by("name")
    serializer_class = TrunkSerializer

    def create(self, request: Request) -> Response:
        """Add a trunk."""
        return self.shown(definitions.create_trunk(self.checked(request)), is_new=True)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a trunk. A new address, scheme or token also ends a hold that the switch's refusal caused."""
        trunk = self.get_object()
        return self.shown(definitions.change_trunk(trunk, self.checked(request, trunk), now=timezone.now()))

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def release(self, request: Request, pk: str) -> Response:
        """Dial again on a trunk that is held, once its cause is mended."""
        refuse_body(request)
        release_hold(self.get_object().pk, now=timezone.now())
        return self.shown(self.get_object())

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Remove a trunk that no campaign uses."""
        definitions.delete_trunk(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)
