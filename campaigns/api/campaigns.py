"""`campaigns/`: drafts, their life, their numbers."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.api import fields
from campaigns.api.cadence import CadenceField
from campaigns.api.filters import CampaignFilter
from campaigns.api.launch_report import LaunchReportSerializer
from campaigns.api.rehearsals import RehearsalActions
from campaigns.api.serializers import StrictInput, StrictModelSerializer
from campaigns.api.views import enqueue_on_commit, page_of, token_of
from campaigns.enums import CampaignState, Outcome
from campaigns.models import Campaign, CampaignEvent
from campaigns.policies.calling_window import parse_window
from campaigns.policies.holiday_sets import parse_holiday_set
from campaigns.policies.parameter_template import parse_template
from campaigns.queries.blockers import blockers
from campaigns.queries.launch_report import launch_report
from campaigns.queries.stats import campaign_stats
from campaigns.services import campaigns, definitions
from campaigns.services.campaign_log import REASON_MAX_CHARS
from campaigns.services.rule_overrides import override_rules
from campaigns.services.test_calls import Told, claim_test_call
from campaigns.states import REAL_CONTACT_STATES
from campaigns.tasks.dialing import place_call
from campaigns.tasks.launching import fill_contacts

MAX_CONCURRENT_CALLS = 10_000
MAX_CALLS_PER_SECOND = 1_000
MAX_ATTEMPTS = 20
MAX_RING_TIMEOUT_S = 300
RAMP_UP_MAX_MINUTES = 1_440
WEIGHT_MAX = 100
CANARY_MAX_CALLS = 1_000
PRIORITY_MAX = 1_000
CONSENT_ATTRIBUTE = r"^[A-Za-z][A-Za-z0-9_]{0,39}$"
BARE_FILE_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,150}\.wav$"


class CampaignSerializer(StrictModelSerializer[Campaign]):
    extension = fields.OneExtensionField(required=False, source="extensions", help_text="The first of `extensions`")
    extensions = fields.ExtensionsField(required=False, help_text="With dial: one of them is rung first")
    audio_file = serializers.RegexField(
        BARE_FILE_NAME, required=False, allow_blank=True, help_text="A file below DATA_DIR/prompts"
    )
    parameter_template = fields.AttributesField(required=False)
    max_concurrent_calls = fields.WholeNumberField(min_value=1, max_value=MAX_CONCURRENT_CALLS, required=False)
    calls_per_second = fields.NumberField(min_value=0.01, max_value=MAX_CALLS_PER_SECOND, required=False)
    ring_timeout_s = fields.NumberField(min_value=5, max_value=MAX_RING_TIMEOUT_S, required=False, allow_null=True)
    max_attempts = fields.WholeNumberField(min_value=1, max_value=MAX_ATTEMPTS, required=False)
    priority = fields.WholeNumberField(min_value=-PRIORITY_MAX, max_value=PRIORITY_MAX, required=False)
    weight = fields.WholeNumberField(min_value=1, max_value=WEIGHT_MAX, required=False)
    ramp_up_minutes = fields.WholeNumberField(min_value=0, max_value=RAMP_UP_MAX_MINUTES, required=False)
    canary_calls = fields.WholeNumberField(min_value=0, max_value=CANARY_MAX_CALLS, required=False)
    canary_answered_min = fields.NumberField(min_value=0, max_value=1, required=False)
    canary_failed_max = fields.NumberField(min_value=0, max_value=1, required=False)
    cadence = CadenceField(required=False)
    calling_window = fields.ObjectField(required=False)
    consent_attribute = serializers.RegexField(
        CONSENT_ATTRIBUTE,
        required=False,
        allow_blank=True,
        help_text="The attribute that tells of consent",
    )
    rule_override = fields.ObjectField(read_only=True)

    class Meta:
        model = Campaign
        fields = [
            "id",
            "name",
            "state",
            "customer_lists",
            "agent",
            "trunk",
            "app",
            "extension",
            "extensions",
            "channel",
            "is_silence",
            "audio_file",
            "parameter_template",
            "max_concurrent_calls",
            "calls_per_second",
            "ring_timeout_s",
            "max_attempts",
            "priority",
            "weight",
            "ramp_up_minutes",
            "canary_calls",
            "canary_answered_min",
            "canary_failed_max",
            "canary_state",
            "cadence",
            "calling_window",
            "holidays",
            "rule_profile",
            "consent_attribute",
            "calls_per_number_day",
            "calls_per_number_week",
            "number_gap_s",
            "rule_override",
            "starts_at",
            "approval_asked_at",
            "approved_at",
            "launched_at",
            "finished_at",
            "archived_at",
            "created_at",
            "updated_at",
        ]
        read_only_fields = [
            "id",
            "state",
            "canary_state",
            "approval_asked_at",
            "approved_at",
            "launched_at",
            "finished_at",
            "archived_at",
            "created_at",
            "updated_at",
        ]

    def to_internal_value(self, data: Any) -> Any:
        """The checked values; `extension` is a short way to write `extensions`, not a second field beside it."""
        if isinstance(data, Mapping) and {"extension", "extensions"} <= data.keys():
            raise serializers.ValidationError({"extension": ["Leave it out: extensions names them all."]})
        return super().to_internal_value(data)

    def validate_calling_window(self, value: dict[str, Any]) -> dict[str, Any]:
        """The calling window, if its shape is one."""
        _check(parse_window, value)
        return value

    def validate_holidays(self, value: str) -> str:
        """The set of holidays, if there is one of that name."""
        try:
            return parse_holiday_set(value)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error

    def validate_parameter_template(self, value: dict[str, str]) -> dict[str, str]:
        """The template, if every placeholder can be read."""
        _check(parse_template, value)
        return value


def _check(parse: Callable[[Any], object], value: Any) -> None:
    try:
        parse(value)
    except ValueError as error:
        raise serializers.ValidationError(str(error)) from error


class OverrideSerializer(StrictInput):
    changes = fields.ObjectField(help_text="hours, calls_per_day, calls_per_week, min_gap_s; empty: none")
    reason = fields.TextField(max_length=200)


class ReasonSerializer(StrictInput):
    reason = fields.TextField(
        max_length=REASON_MAX_CHARS, required=False, allow_blank=True, help_text="Stands in the campaign's log"
    )


class CampaignEventSerializer(serializers.ModelSerializer[CampaignEvent]):
    user = serializers.CharField(source="user.username", default=None, help_text="Null: the platform itself")

    class Meta:
        model = CampaignEvent
        fields = ["at", "kind", "message", "details", "user"]


class CloneSerializer(StrictInput):
    name = fields.TextField(max_length=200)


class CallTestSerializer(StrictInput):
    phone_number = fields.PhoneNumberField()
    name = fields.TextField(max_length=200, required=False, help_text="Left out: the customer's own")
    attributes = fields.AttributesField(
        required=False, help_text="What the parameters are filled with; left out: the customer's, else the first row's"
    )


class CallTestClaimSerializer(serializers.Serializer[Any]):
    attempt = serializers.UUIDField(help_text="See `call-attempts/`")


class HourSerializer(serializers.Serializer[Any]):
    hour_at = serializers.DateTimeField()
    attempts = serializers.IntegerField()
    answered = serializers.IntegerField()


def _counts(names: list[str], text: str) -> serializers.DictField:
    return serializers.DictField(child=serializers.IntegerField(), help_text=f"{text}: {', '.join(names)}")


class CampaignStatsSerializer(serializers.Serializer[Any]):
    contacts = _counts([state.value for state in REAL_CONTACT_STATES], "Contacts by state")
    contacts_total = serializers.IntegerField()
    attempts = serializers.IntegerField(help_text="That were really placed")
    answered = serializers.IntegerField()
    outcomes = _counts(Outcome.values, "Attempts by outcome")
    answer_rate = serializers.FloatField(allow_null=True, help_text="Contacts answered / contacts dialed")
    asr = serializers.FloatField(allow_null=True, help_text="Attempts answered / attempts placed")
    acd_s = serializers.FloatField(allow_null=True, help_text="Mean duration of answered calls, seconds")
    live_calls = serializers.IntegerField()
    by_hour = HourSerializer(many=True)


class BlockerSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    # The metaclass takes the field out of the class, so the serializer's own `label` stays.
    label = serializers.CharField()  # type: ignore[assignment]
    count = serializers.IntegerField()
    opens_at = serializers.DateTimeField(allow_null=True)


class CampaignView(RehearsalActions):
    """Goals with an agent, rules and lists, run over a period."""

    queryset = Campaign.objects.prefetch_related("customer_lists").order_by("-id")
    serializer_class = CampaignSerializer
    filterset_class = CampaignFilter

    def get_queryset(self) -> QuerySet[Campaign]:
        """Without the archived ones in a list that does not ask for them."""
        rows = super().get_queryset()
        is_asked_for = self.action != "list" or "is_archived" in self.request.query_params
        return rows if is_asked_for else rows.filter(archived_at=None)

    def create(self, request: Request) -> Response:
        """Add a draft."""
        user = token_of(request).user
        return self.shown(
            definitions.create_campaign(self.checked(request), user=user, now=timezone.now()), is_new=True
        )

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a campaign. Once launched, only name, lists, extensions, pace, caps, cadence and window can change."""
        row, user = self.get_object(), token_of(request).user
        campaign = definitions.change_campaign(row.pk, self.checked(request, row), user=user, now=timezone.now())
        if campaign.lists_followed_to is not None:
            enqueue_on_commit(fill_contacts, campaign_id=campaign.pk)
        return self.shown(campaign)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Remove a campaign that was never launched."""
        definitions.delete_campaign(self.get_object().pk)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _step(self, request: Request, step: Callable[..., Campaign]) -> Response:
        given = ReasonSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        reason, user = given.validated_data.get("reason", ""), token_of(request).user
        return self.shown(step(self.get_object().pk, now=timezone.now(), user=user, reason=reason))

    @extend_schema(request=ReasonSerializer)
    @action(detail=True, methods=["post"])
    def launch(self, request: Request, pk: str) -> Response:
        """Start dialing, or wait for `starts_at`. Refused with every reason in `errors` when something is missing."""
        response = self._step(request, campaigns.launch)
        if response.data["state"] == CampaignState.RUNNING:
            enqueue_on_commit(fill_contacts, campaign_id=response.data["id"])
        return response

    @extend_schema(request=ReasonSerializer)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str) -> Response:
        """Approve and launch what another manager has asked to launch. Nobody approves their own."""
        response = self._step(request, campaigns.approve_launch)
        if response.data["state"] == CampaignState.RUNNING:
            enqueue_on_commit(fill_contacts, campaign_id=response.data["id"])
        return response

    @extend_schema(request=ReasonSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Stop dialing before the next call; live calls go on."""
        return self._step(request, campaigns.pause)

    @extend_schema(request=ReasonSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Go on dialing."""
        return self._step(request, campaigns.resume)

    @extend_schema(request=ReasonSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """End the campaign for good; live calls go on, waiting contacts are canceled."""
        return self._step(request, campaigns.cancel)

    @extend_schema(request=ReasonSerializer)
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, pk: str) -> Response:
        """Take a campaign that is over out of the lists; nothing of it is lost."""
        return self._step(request, campaigns.archive)

    @extend_schema(request=ReasonSerializer)
    @action(detail=True, methods=["post"])
    def unarchive(self, request: Request, pk: str) -> Response:
        """Put an archived campaign back into the lists."""
        return self._step(request, campaigns.unarchive)

    @extend_schema(responses=CampaignEventSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], filterset_class=None)
    def log(self, request: Request, pk: str) -> Response:
        """Who did what with the campaign and why, the latest first. Lines are only ever added."""
        return page_of(self, self.get_object().events.select_related("user").order_by("-id"), CampaignEventSerializer)

    @extend_schema(request=CloneSerializer, responses={201: CampaignSerializer})
    @action(detail=True, methods=["post"])
    def clone(self, request: Request, pk: str) -> Response:
        """Make a draft with the same settings under another name."""
        given = CloneSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        copy = campaigns.clone(
            self.get_object().pk, name=given.validated_data["name"], user=token_of(request).user, now=timezone.now()
        )
        return self.shown(copy, is_new=True)

    @extend_schema(request=CallTestSerializer, responses={202: CallTestClaimSerializer})
    @action(detail=True, methods=["post"], url_path="test-call")
    def test_call(self, request: Request, pk: str) -> Response:
        """Call one number to hear the campaign, in any state of it. It counts for the number's caps, in no stats."""
        given = CallTestSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        values = given.validated_data
        claimed = claim_test_call(
            self.get_object().pk,
            values["phone_number"],
            told=Told(values.get("name"), values.get("attributes")),
            user=token_of(request).user,
            now=timezone.now(),
        )
        message = {"attempt_id": str(claimed.attempt_id), "fence": claimed.fence, "start_in_s": claimed.start_in_s}
        enqueue_on_commit(place_call, **message)
        body = CallTestClaimSerializer({"attempt": claimed.attempt_id}).data
        return Response(body, status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=OverrideSerializer, responses=CampaignSerializer)
    @action(detail=True, methods=["post"], url_path="override-rules")
    def override_rules(self, request: Request, pk: str) -> Response:
        """Loosen hours, caps or the gap of the rule profile; needs the permission `campaigns.override_rules` too."""
        given = OverrideSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        values, user = given.validated_data, token_of(request).user
        campaign_id = self.get_object().pk
        return self.shown(
            override_rules(campaign_id, values["changes"], reason=values["reason"], user=user, now=timezone.now())
        )

    @extend_schema(responses=CampaignStatsSerializer)
    @action(detail=True, methods=["get"])
    def stats(self, request: Request, pk: str) -> Response:
        """The campaign in numbers; rates are from 0 to 1, null while there is nothing to divide by."""
        return Response(CampaignStatsSerializer(campaign_stats(self.get_object().pk, timezone.now())).data)

    @extend_schema(responses=LaunchReportSerializer)
    @action(detail=True, methods=["get"])
    def preflight(self, request: Request, pk: str) -> Response:
        """What a launch would do: who is skipped and why, what is told of five customers, and how long it takes."""
        campaign = self.get_object()
        dice = random.Random()
        return Response(LaunchReportSerializer(launch_report(campaign, timezone.now(), dice)).data)

    @extend_schema(responses=BlockerSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None, filterset_class=None)
    def blockers(self, request: Request, pk: str) -> Response:
        """Why contacts are not being dialed right now, and when each reason ends."""
        return Response(BlockerSerializer(blockers(self.get_object(), timezone.now()), many=True).data)
