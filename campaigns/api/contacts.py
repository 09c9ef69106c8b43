"""`contacts/` and `call-attempts/`: one customer in one campaign, and each dialing of it."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.api.filters import AttemptFilter, ContactFilter
from campaigns.api.serializers import StrictModelSerializer
from campaigns.api.views import ReadOnlyView
from campaigns.models import CallAttempt, Contact
from campaigns.queries.contacts import because
from campaigns.queries.why_not import why_not

UUID_PATTERN = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


class ContactSerializer(StrictModelSerializer[Contact]):
    next_attempt_because = serializers.SerializerMethodField(
        help_text="Why it waits for that time; empty if it does not"
    )

    class Meta:
        model = Contact
        fields = [
            "id",
            "campaign",
            "customer",
            "phone_number",
            "name",
            "timezone",
            "attributes",
            "state",
            "state_reason",
            "attempts_made",
            "next_attempt_at",
            "next_attempt_because",
            "callback_at",
            "last_outcome",
            "disposition",
            "updated_at",
        ]
        read_only_fields = fields

    def get_next_attempt_because(self, contact: Contact) -> str:
        """Why the contact waits for its time."""
        return because(contact)


class GateSerializer(serializers.Serializer[Any]):
    """One rule a contact must pass before it is dialed."""

    code = serializers.CharField(help_text="Stable, for programs")
    # The metaclass takes the field out of the class, so the serializer's own `label` stays.
    label = serializers.CharField(help_text="A statement that holds when the gate is open")  # type: ignore[assignment]
    is_open = serializers.BooleanField()
    reason = serializers.CharField(help_text="Why it is closed")
    opens_at = serializers.DateTimeField(allow_null=True, help_text="Null: nobody can say, or it is open")


class ContactView(ReadOnlyView):
    """Customers in campaigns, as they were at launch, with their progress."""

    queryset = Contact.objects.select_related("campaign").order_by("id")
    serializer_class = ContactSerializer
    filterset_class = ContactFilter

    @extend_schema(operation_id="contacts_why_not", responses=GateSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], url_path="why-not", pagination_class=None, filterset_class=None)
    def why_not(self, request: Request, pk: str) -> Response:
        """Every rule between this contact and its next call, and when each opens."""
        return Response(GateSerializer(why_not(self.get_object(), timezone.now()), many=True).data)


class CallAttemptSerializer(StrictModelSerializer[CallAttempt]):
    class Meta:
        model = CallAttempt
        fields = [
            "id",
            "campaign",
            "contact",
            "trunk",
            "phone_number",
            "number",
            "state",
            "outcome",
            "reason",
            "hangup_cause",
            "extension",
            "switch_call_id",
            "is_counted",
            "allowed_by",
            "is_test",
            "claimed_at",
            "dispatched_at",
            "placed_at",
            "answered_at",
            "ended_at",
        ]
        read_only_fields = fields


class CallAttemptView(ReadOnlyView):
    """Dialings: one row, at most one request to the switch, ever."""

    queryset = CallAttempt.objects.order_by("-claimed_at", "pk")
    serializer_class = CallAttemptSerializer
    filterset_class = AttemptFilter
    lookup_value_regex = UUID_PATTERN
