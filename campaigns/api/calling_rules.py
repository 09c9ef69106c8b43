"""`dialing-stops/`, `blackout-dates/`, `dnc-lists/`, `rule-profiles/`: what holds for calls of all campaigns."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.api import fields
from campaigns.api.filters import BlackoutDateFilter
from campaigns.api.parsing import BoundedMultiPartParser
from campaigns.api.serializers import RefField, StrictInput, StrictModelSerializer
from campaigns.api.views import ApiView, ReadOnlyView, enqueue_on_commit, page_of, refuse_body, token_of
from campaigns.models import BlackoutDate, Campaign, DialingStop, DncList, DncVersion
from campaigns.policies.blackout_text import parse_blackouts
from campaigns.policies.country_codes import read_countries
from campaigns.policies.rule_profiles import PROFILES
from campaigns.services import definitions
from campaigns.services.blackouts import add_blackouts, remove_blackout
from campaigns.services.dialing_stops import resume_dialing, stop_dialing
from campaigns.services.dnc_lists import receive_version
from campaigns.tasks.dnc_lists import load_dnc_version

TEXT_MAX_CHARS = 100_000


class DialingStopSerializer(StrictModelSerializer[DialingStop]):
    class Meta:
        model = DialingStop
        fields = ["id", "reason", "hangs_up", "kind", "at", "lifted_at"]
        read_only_fields = ["id", "kind", "at", "lifted_at"]


class LiftedSerializer(serializers.Serializer[Any]):
    lifted = serializers.IntegerField(help_text="Stops that were in force")


class DialingStopView(ReadOnlyView):
    """The switch for all dialing: nothing is dialed while a stop is not lifted."""

    queryset = DialingStop.objects.order_by("-id")
    serializer_class = DialingStopSerializer

    def create(self, request: Request) -> Response:
        """Stop all dialing at once; live calls go on, unless `hangs_up`."""
        wanted = self.checked(request)
        stop = stop_dialing(
            reason=wanted["reason"],
            hangs_up=wanted.get("hangs_up", False),
            user=token_of(request).user,
            now=timezone.now(),
        )
        return self.shown(stop, is_new=True)

    @extend_schema(request=None, responses=LiftedSerializer)
    @action(detail=False, methods=["post"])
    def lift(self, request: Request) -> Response:
        """Lift every stop: dialing goes on."""
        refuse_body(request)
        lifted = resume_dialing(user=token_of(request).user, now=timezone.now())
        return Response(LiftedSerializer({"lifted": lifted}).data)


class BlackoutDateSerializer(StrictModelSerializer[BlackoutDate]):
    class Meta:
        model = BlackoutDate
        fields = ["id", "date", "name", "campaign"]
        # A date that is there already is no error: it takes the new name.
        validators: list[Any] = []


class PastedDatesSerializer(StrictInput):
    text = fields.TextField(max_length=TEXT_MAX_CHARS, help_text="One date or range a line, then its name")
    campaign = RefField(queryset=Campaign.objects.all(), required=False, allow_null=True, default=None)

    def validate_text(self, text: str) -> str:
        """The text, if it names dates."""
        try:
            dates = parse_blackouts(text)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error
        if not dates:
            raise serializers.ValidationError("Must name at least one date.")
        return text


class BlackoutDateView(ReadOnlyView):
    """Local dates on which nobody is called."""

    queryset = BlackoutDate.objects.order_by("date", "id")
    serializer_class = BlackoutDateSerializer
    filterset_class = BlackoutDateFilter

    def create(self, request: Request) -> Response:
        """Call nobody on a date; repeating it is harmless."""
        values = self.checked(request)
        [row] = add_blackouts(
            {values["date"]: values.get("name", "")},
            campaign=values.get("campaign"),
            user=token_of(request).user,
            now=timezone.now(),
        )
        return self.shown(row, is_new=True)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Let people be called on that date again."""
        remove_blackout(self.get_object(), user=token_of(request).user, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=PastedDatesSerializer, responses={200: BlackoutDateSerializer(many=True)})
    @action(detail=False, methods=["post"], pagination_class=None, filterset_class=None)
    def bulk(self, request: Request) -> Response:
        """Call nobody on the dates that a text names, one date or range a line; all of them or none."""
        given = PastedDatesSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        rows = add_blackouts(
            parse_blackouts(given.validated_data["text"]),
            campaign=given.validated_data["campaign"],
            user=token_of(request).user,
            now=timezone.now(),
        )
        return Response(BlackoutDateSerializer(rows, many=True).data)


class DncVersionSerializer(StrictModelSerializer[DncVersion]):
    class Meta:
        model = DncVersion
        fields = [
            "id",
            "state",
            "file_name",
            "as_of",
            "size_bytes",
            "bytes_done",
            "numbers",
            "rejected",
            "error",
            "created_at",
            "published_at",
        ]
        read_only_fields = fields


class DncListSerializer(StrictModelSerializer[DncList]):
    current = DncVersionSerializer(read_only=True, allow_null=True)

    class Meta:
        model = DncList
        fields = ["id", "name", "region", "is_active", "current", "created_at"]
        read_only_fields = ["id", "created_at"]

    def validate_region(self, region: str) -> str:
        """The code in capitals, or nothing."""
        try:
            return read_countries([region])[0] if region else ""
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error


class DncUploadSerializer(StrictInput):
    file = serializers.FileField(help_text="One number a line, or in the first column of a CSV", allow_empty_file=True)
    as_of = fields.MomentField(
        required=False, allow_null=True, default=None, help_text="When it was made; default: now"
    )


class DncListView(ReadOnlyView):
    """Imported do-not-call lists, such as a national register."""

    queryset = DncList.objects.select_related("current").order_by("name")
    serializer_class = DncListSerializer

    def create(self, request: Request) -> Response:
        """Add a list; it holds nobody before its first version is in force."""
        return self.shown(definitions.create_dnc_list(self.checked(request)), is_new=True)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Rename a list, or switch it off."""
        row = self.get_object()
        return self.shown(definitions.change_dnc_list(row, self.checked(request, row)))

    @extend_schema(operation_id="dnc_lists_versions_list", responses=DncVersionSerializer(many=True))
    @action(detail=True, methods=["get"])
    def versions(self, request: Request, pk: str) -> Response:
        """The files a list was made of, newest first."""
        return page_of(self, self.get_object().versions.order_by("-id"), DncVersionSerializer)

    @extend_schema(
        operation_id="dnc_lists_versions_create", request=DncUploadSerializer, responses={202: DncVersionSerializer}
    )
    @action(
        detail=True,
        methods=["post"],
        url_path="upload",
        parser_classes=[BoundedMultiPartParser],
        serializer_class=DncUploadSerializer,
    )
    def upload(self, request: Request, pk: str) -> Response:
        """Upload a new version; it takes the place of the one in force when all of it has been read."""
        row, now = self.get_object(), timezone.now()
        values = self.checked(request)
        version = receive_version(
            row.pk,
            file=values["file"],
            file_name=values["file"].name,
            as_of=values["as_of"] or now,
            user=token_of(request).user,
            now=now,
        )
        enqueue_on_commit(load_dnc_version, version_id=version.pk)
        return Response(DncVersionSerializer(version).data, status=status.HTTP_202_ACCEPTED)


class RuleProfileSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    version = serializers.IntegerField()
    effective_on = serializers.DateField()
    # The metaclass takes the field out of the class, so the serializer's own attribute stays.
    source = serializers.CharField()  # type: ignore[assignment]
    hours = serializers.ListField(
        child=serializers.IntegerField(), allow_null=True, help_text="Minutes of the customer's day, begin and end"
    )
    calls_per_day = serializers.IntegerField(allow_null=True, help_text="To one number, in any 24 hours")
    calls_per_week = serializers.IntegerField(allow_null=True, help_text="To one number, in any 7 days")
    min_gap_s = serializers.FloatField()
    unconfirmed_gap_s = serializers.FloatField()
    needs_consent = serializers.BooleanField()
    dnc_max_age_days = serializers.IntegerField(allow_null=True)
    countries = serializers.ListField(child=serializers.CharField(), help_text="Empty: not limited")
    holidays = serializers.CharField(help_text="The set on which nobody is called; empty: none")


class RuleProfileView(ApiView):
    """The sets of calling rules a campaign can name."""

    serializer_class = RuleProfileSerializer
    pagination_class = None

    @extend_schema(responses=RuleProfileSerializer(many=True), filters=False)
    def list(self, request: Request) -> Response:
        """Every version of every profile. You answer for the law; the texts say where the numbers come from."""
        return Response(RuleProfileSerializer(PROFILES, many=True).data)
