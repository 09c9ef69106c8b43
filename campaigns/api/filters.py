"""What each list can be narrowed by. A value that makes no sense is refused; so is a parameter nobody knows."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django_filters.filters import CharFilter, ChoiceFilter, Filter, ModelChoiceFilter, NumberFilter, TypedChoiceFilter
from django_filters.filterset import FilterSet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field

from campaigns import enums, models
from campaigns.api.fields import parse_moment
from telephony.errors import PhoneNumberError
from telephony.phone_numbers import parse_phone_number


class MomentFormField(forms.CharField):
    """An ISO 8601 date and time with a zone."""

    def to_python(self, value: Any) -> Any:
        """The moment; None when nothing was given."""
        if value in self.empty_values:
            return None
        # A "+" that was not percent-encoded arrives as a space.
        moment = parse_moment(str(value).replace(" ", "+"))
        if moment is None:
            raise ValidationError(
                "Must be a date and time with a zone, for example 2026-11-21T09:00:00Z.", "bad_datetime"
            )
        return moment


class PhoneFormField(forms.CharField):
    """A phone number as people write it."""

    def to_python(self, value: Any) -> Any:
        """The number in E.164; None when nothing was given."""
        if value in self.empty_values:
            return None
        text = str(value)
        if text.startswith(" "):  # a "+" that was not percent-encoded
            text = f"+{text[1:]}"
        try:
            return parse_phone_number(text, settings.DEFAULT_REGION).e164
        except PhoneNumberError as error:
            raise ValidationError(str(error), error.code) from error


@extend_schema_field(OpenApiTypes.DATETIME)
class MomentFilter(Filter):
    """Compares with a moment."""

    field_class: type[forms.Field] = MomentFormField


@extend_schema_field(OpenApiTypes.STR)
class PhoneFilter(Filter):
    """Equals a phone number, however it is written."""

    field_class: type[forms.Field] = PhoneFormField


def _by(model: Any, **kwargs: Any) -> ModelChoiceFilter:
    return ModelChoiceFilter(queryset=model.objects.order_by("pk"), **kwargs)


class CustomerFilter(FilterSet):
    phone_number = PhoneFilter()
    list = _by(models.CustomerList, field_name="lists")


class ImportFilter(FilterSet):
    list = _by(models.CustomerList)
    state = ChoiceFilter(choices=enums.ImportState.choices)


class CampaignFilter(FilterSet):
    state = ChoiceFilter(choices=enums.CampaignState.choices)
    is_archived = TypedChoiceFilter(
        field_name="archived_at",
        lookup_expr="isnull",
        choices=(("true", "true"), ("false", "false")),
        coerce=lambda text: text == "false",
        help_text="Missing: only what is not archived",
    )


class ContactFilter(FilterSet):
    campaign = _by(models.Campaign)
    state = ChoiceFilter(choices=enums.ContactState.choices)
    phone_number = PhoneFilter()
    has_callback = TypedChoiceFilter(
        field_name="callback_at",
        lookup_expr="isnull",
        choices=(("true", "true"), ("false", "false")),
        coerce=lambda text: text == "false",
        help_text="Whether the customer asked to be called",
    )


class AttemptFilter(FilterSet):
    campaign = _by(models.Campaign)
    contact = NumberFilter(field_name="contact_id", min_value=1, max_value=2**63 - 1, decimal_places=0)
    state = ChoiceFilter(choices=enums.AttemptState.choices)
    outcome = ChoiceFilter(choices=enums.Outcome.choices)


class CallFilter(FilterSet):
    campaign = _by(models.Campaign, field_name="attempt__campaign")
    agent = _by(models.Agent)
    endpoint = _by(models.StreamEndpoint)
    protocol = ChoiceFilter(choices=enums.call_protocols())
    since = MomentFilter(field_name="started_at", lookup_expr="gte")
    until = MomentFilter(field_name="started_at", lookup_expr="lt")
    disposition = CharFilter()
    is_live = TypedChoiceFilter(
        field_name="ended_at",
        lookup_expr="isnull",
        choices=(("true", "true"), ("false", "false")),
        coerce=lambda text: text == "true",
    )


class SuppressedNumberFilter(FilterSet):
    phone_number = PhoneFilter()
    campaign = _by(models.Campaign)
    source = ChoiceFilter(choices=enums.SuppressionSource.choices)


class BlackoutDateFilter(FilterSet):
    campaign = _by(models.Campaign)


class DeliveryFilter(FilterSet):
    state = ChoiceFilter(choices=enums.StepState.choices)
