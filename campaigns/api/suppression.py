"""`suppressed-numbers/`: the do-not-call list."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.api import fields
from campaigns.api.filters import SuppressedNumberFilter
from campaigns.api.serializers import RefField, StrictInput, StrictModelSerializer
from campaigns.api.views import ReadOnlyView
from campaigns.enums import SuppressionSource
from campaigns.models import Campaign, SuppressedNumber
from campaigns.services import definitions
from campaigns.services.suppression import suppress
from telephony.errors import PhoneNumberError
from telephony.phone_numbers import parse_phone_number

BULK_MAX = 1_000
PHONE_MAX_CHARS = 64


class SuppressedNumberSerializer(StrictModelSerializer[SuppressedNumber]):
    # Adding a number that is there already is no error: the stricter of the two expiries stays.
    phone_number = fields.PhoneNumberField()

    class Meta:
        model = SuppressedNumber
        # The same: the constraints are no reason to refuse.
        validators: list[Any] = []
        fields = ["id", "phone_number", "campaign", "reason", "source", "call", "expires_at", "created_at"]
        read_only_fields = ["id", "source", "call", "created_at"]


class SuppressionChangeSerializer(StrictModelSerializer[SuppressedNumber]):
    class Meta:
        model = SuppressedNumber
        fields = ["reason", "expires_at"]


class BulkSerializer(StrictInput):
    phone_numbers = serializers.ListField(
        child=fields.TextField(max_length=PHONE_MAX_CHARS, allow_blank=True), max_length=BULK_MAX, allow_empty=False
    )
    reason = fields.TextField(max_length=200, required=False, allow_blank=True, default="")
    expires_at = fields.MomentField(required=False, allow_null=True, default=None)
    campaign = RefField(queryset=Campaign.objects.all(), required=False, allow_null=True, default=None)


class BulkRejectSerializer(serializers.Serializer[Any]):
    index = serializers.IntegerField(help_text="Place in `phone_numbers`, from 0")
    code = serializers.CharField()
    reason = serializers.CharField()


class BulkResultSerializer(serializers.Serializer[Any]):
    accepted = serializers.IntegerField()
    rejected = BulkRejectSerializer(many=True)


class SuppressedNumberView(ReadOnlyView):
    """Numbers that must not be dialed."""

    queryset = SuppressedNumber.objects.order_by("-id")
    serializer_class = SuppressedNumberSerializer
    filterset_class = SuppressedNumberFilter

    def create(self, request: Request) -> Response:
        """Suppress a number at once, everywhere; repeating it is harmless."""
        values = self.checked(request)
        entry = suppress(
            values["phone_number"],
            reason=values.get("reason", ""),
            source=SuppressionSource.API,
            now=timezone.now(),
            expires_at=values.get("expires_at"),
            campaign=values.get("campaign"),
        )
        return self.shown(entry, is_new=True)

    @extend_schema(request=SuppressionChangeSerializer, responses=SuppressedNumberSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change the reason or the expiry."""
        entry = self.get_object()
        given = SuppressionChangeSerializer(entry, data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        return self.shown(definitions.change_suppression(entry, given.validated_data))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Let the number be dialed again. Contacts that were blocked stay blocked."""
        definitions.lift_suppression(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=BulkSerializer, responses={200: BulkResultSerializer})
    @action(detail=False, methods=["post"])
    def bulk(self, request: Request) -> Response:
        """Suppress up to 1,000 numbers; those that are no phone numbers are listed and change nothing."""
        given = BulkSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        values, now = given.validated_data, timezone.now()
        accepted: dict[str, None] = {}
        rejected: list[dict[str, Any]] = []
        for index, text in enumerate(values["phone_numbers"]):
            try:
                accepted[parse_phone_number(text, settings.DEFAULT_REGION).e164] = None
            except PhoneNumberError as error:
                rejected.append({"index": index, "code": error.code, "reason": str(error)})
        with transaction.atomic():
            for phone_number in accepted:
                suppress(
                    phone_number,
                    reason=values["reason"],
                    source=SuppressionSource.API,
                    now=now,
                    expires_at=values["expires_at"],
                    campaign=values["campaign"],
                )
        return Response(BulkResultSerializer({"accepted": len(accepted), "rejected": rejected}).data)
