"""`calls/`: answered conversations, what was said and what it amounts to."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.api.contacts import UUID_PATTERN
from campaigns.api.filters import CallFilter
from campaigns.api.serializers import StrictModelSerializer
from campaigns.api.views import ReadOnlyView
from campaigns.downloads import ranged_file
from campaigns.models import Call, CallAnalysis, TranscriptTurn
from campaigns.queries.timeline import timeline
from campaigns.services.recordings import recording_file


class CallSerializer(StrictModelSerializer[Call]):
    campaign = serializers.IntegerField(source="attempt.campaign_id", allow_null=True, default=None)
    contact = serializers.IntegerField(source="attempt.contact_id", allow_null=True, default=None)
    phone_number = serializers.SerializerMethodField()
    outcome = serializers.CharField(source="attempt.outcome", allow_null=True, default=None)
    duration_s = serializers.SerializerMethodField()
    has_recording = serializers.SerializerMethodField()
    answers = serializers.ListField(child=serializers.DictField())

    class Meta:
        model = Call
        fields = [
            "id",
            "protocol",
            "vendor_call_id",
            "endpoint",
            "attempt",
            "campaign",
            "contact",
            "phone_number",
            "own_number",
            "is_outbound",
            "outcome",
            "agent",
            "agent_version",
            "started_at",
            "ended_at",
            "duration_s",
            "ended_by",
            "disposition",
            "answers",
            "transferred_to",
            "callback_at",
            "callback_note",
            "has_recording",
            "is_processed",
        ]
        read_only_fields = fields

    def get_phone_number(self, call: Call) -> str | None:
        """The customer's; null where the vendor told none."""
        return call.attempt.phone_number if call.attempt else call.customer_number or None

    def get_duration_s(self, call: Call) -> float | None:
        """Seconds from answer to end; null while the call is live."""
        return None if call.ended_at is None else round((call.ended_at - call.started_at).total_seconds(), 3)

    def get_has_recording(self, call: Call) -> bool:
        """Whether `recording/` has something to send."""
        return bool(call.recording_path or call.switch_recording_path)


class TurnSerializer(StrictModelSerializer[TranscriptTurn]):
    class Meta:
        model = TranscriptTurn
        fields = [
            "seq",
            "speaker",
            "text",
            "heard_text",
            "start_ms",
            "end_ms",
            "is_interrupted",
            "confidence",
        ]
        read_only_fields = fields


class TranscriptSerializer(serializers.Serializer[Any]):
    call = serializers.UUIDField(source="pk")
    is_live = serializers.SerializerMethodField()
    turns = TurnSerializer(many=True)

    def get_is_live(self, call: Call) -> bool:
        """Whether more turns may come."""
        return call.ended_at is None


class AnalysisSerializer(StrictModelSerializer[CallAnalysis]):
    question_answers = serializers.ListField(child=serializers.DictField())

    class Meta:
        model = CallAnalysis
        fields = ["call", "summary", "disposition", "metrics", "extracted", "question_answers", "computed_at"]
        read_only_fields = fields


class TimelineEntrySerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(allow_null=True)
    kind = serializers.CharField()
    text = serializers.CharField()
    details = serializers.DictField()


class WavRenderer(BaseRenderer):
    """Lets a client ask for audio/wav; the view sends the file itself."""

    media_type = "audio/wav"
    format = "wav"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        """Nothing: the view sends the file, and refusals are JSON."""
        return b""


class CallView(ReadOnlyView):
    """Answered conversations, newest first."""

    queryset = Call.objects.select_related("attempt").order_by("-started_at", "pk")
    serializer_class = CallSerializer
    filterset_class = CallFilter
    lookup_value_regex = UUID_PATTERN

    @extend_schema(responses=TranscriptSerializer)
    @action(detail=True, methods=["get"])
    def transcript(self, request: Request, pk: str) -> Response:
        """What was said, in the order of speaking; on a live call, so far."""
        return Response(TranscriptSerializer(self.get_object()).data)

    @extend_schema(responses=AnalysisSerializer)
    @action(detail=True, methods=["get"])
    def analysis(self, request: Request, pk: str) -> Response:
        """What the call amounts to; 404 `not_ready` until it has been computed."""
        found = CallAnalysis.objects.filter(call=self.get_object()).first()
        if found is None:
            raise NotFound("The call has not been analyzed yet.", code="not_ready")
        return Response(AnalysisSerializer(found).data)

    @extend_schema(
        parameters=[OpenApiParameter("Range", OpenApiTypes.STR, OpenApiParameter.HEADER, description="One range")],
        responses={
            (200, "audio/wav"): OpenApiResponse(OpenApiTypes.BINARY, "The whole file"),
            (206, "audio/wav"): OpenApiResponse(OpenApiTypes.BINARY, "The range that was asked for"),
            416: OpenApiResponse(description="The file has no such range; `Content-Range` tells its size"),
        },
    )
    @action(detail=True, methods=["get"], renderer_classes=[JSONRenderer, WavRenderer])
    def recording(self, request: Request, pk: str) -> HttpResponseBase:
        """The recording: both sides apart where the bridge made it, else the switch's; 404 `not_ready` without."""
        call = self.get_object()
        path = recording_file(call)
        if path is None:
            raise NotFound("The call has no recording, or not yet.", code="not_ready")
        return ranged_file(path, request.headers.get("Range"), content_type="audio/wav", name=f"call-{call.pk}.wav")

    @extend_schema(responses=TimelineEntrySerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None, filterset_class=None)
    def timeline(self, request: Request, pk: str) -> Response:
        """Dialing, speech, interruptions and the end, in one order of time."""
        return Response(TimelineEntrySerializer(timeline(self.get_object()), many=True).data)
