"""Serializer fields that take a JSON value of their own type and nothing that merely looks like it."""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Any

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from campaigns.policies.country_codes import read_countries
from campaigns.policies.extension_pool import read_extensions
from campaigns.policies.import_rows import is_timezone
from campaigns.policies.peer_networks import read_networks
from telephony.errors import PhoneNumberError
from telephony.phone_numbers import parse_phone_number

ATTRIBUTES_MAX = 64
ATTRIBUTE_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
ATTRIBUTE_MAX_CHARS = 500
# Years outside this range overflow when they are moved to another zone.
YEAR_MIN, YEAR_MAX = 1970, 9000
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def has_control_characters(text: str) -> bool:
    """Whether a text holds what no name or note needs: C0/C1 controls (tab and newline are fine), lone surrogates."""
    return _CONTROL.search(text) is not None


def parse_moment(text: str) -> datetime | None:
    """The moment an ISO 8601 text names; None when it has no zone or is no date and time that exists."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None and YEAR_MIN <= moment.year <= YEAR_MAX else None


class TextField(serializers.CharField):
    """A JSON string without control characters."""

    default_error_messages = {
        "invalid": "Must be a string.",
        "bad_text": "Holds control characters; remove them.",
        "max_length": "Must have no more than {max_length} characters.",
    }

    def to_internal_value(self, data: Any) -> str:
        """The trimmed text."""
        if not isinstance(data, str):
            self.fail("invalid")
        if has_control_characters(data):
            self.fail("bad_text")
        return super().to_internal_value(data)


class WholeNumberField(serializers.IntegerField):
    """A JSON integer; not "1", 1.0 or true."""

    default_error_messages = {"invalid": "Must be a whole number."}

    def to_internal_value(self, data: Any) -> int:
        """The number."""
        if type(data) is not int:
            self.fail("invalid")
        return data


class NumberField(serializers.FloatField):
    """A finite JSON number."""

    default_error_messages = {"invalid": "Must be a number."}

    def to_internal_value(self, data: Any) -> float:
        """The number."""
        if type(data) not in (int, float) or not math.isfinite(data):
            self.fail("invalid")
        return float(data)


class FlagField(serializers.BooleanField):
    """true or false."""

    default_error_messages = {"invalid": "Must be true or false."}

    def to_internal_value(self, data: Any) -> bool:
        """The flag."""
        if not isinstance(data, bool):
            self.fail("invalid")
        return data


class ChoiceField(serializers.ChoiceField):
    """One of a closed list of strings."""

    def to_internal_value(self, data: Any) -> str:
        """The choice."""
        if not isinstance(data, str):
            self.fail("invalid_choice", input=data)
        return str(super().to_internal_value(data))


class MomentField(serializers.DateTimeField):
    """An ISO 8601 date and time with a zone."""

    default_error_messages = {
        "bad_datetime": "Must be a date and time with a zone, for example 2026-11-21T09:00:00+07:00.",
    }

    def to_internal_value(self, value: Any) -> datetime:
        """The moment, aware."""
        moment = parse_moment(value) if isinstance(value, str) else None
        if moment is None:
            self.fail("bad_datetime")
        return moment


class PhoneNumberField(TextField):
    """A phone number as people write it, in; E.164, out."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 64)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        """The number in E.164."""
        if not isinstance(data, str):
            raise serializers.ValidationError("Must be a string, for example +84912345678.", code="phone_not_string")
        try:
            return parse_phone_number(data, settings.DEFAULT_REGION).e164
        except PhoneNumberError as error:
            raise serializers.ValidationError(str(error), code=error.code) from error


class ZoneField(TextField):
    """An IANA time zone name, or empty."""

    default_error_messages = {"bad_zone": "Must be an IANA time zone name, for example Asia/Ho_Chi_Minh."}

    def to_internal_value(self, data: Any) -> str:
        """The name."""
        name = super().to_internal_value(data)
        if name and not is_timezone(name):
            self.fail("bad_zone")
        return name


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
class AttributesField(serializers.Field[dict[str, str], Any, dict[str, str], Any]):
    """An object of strings: a customer's columns, a campaign's parameter template."""

    default_error_messages = {
        "invalid": "Must be an object of strings.",
        "too_many": f"Must have no more than {ATTRIBUTES_MAX} keys.",
        "bad_key": "{name}: a name starts with a letter and has letters, digits and underscores, 40 at most.",
        "bad_value": "{name}: must be a string without control characters.",
        "too_long": f"{{name}}: must have no more than {ATTRIBUTE_MAX_CHARS} characters.",
    }

    def to_internal_value(self, data: Any) -> dict[str, str]:
        """The object."""
        if not isinstance(data, dict):
            self.fail("invalid")
        if len(data) > ATTRIBUTES_MAX:
            self.fail("too_many")
        for key, value in data.items():
            if not ATTRIBUTE_KEY.fullmatch(key):
                self.fail("bad_key", name=key[:40])
            if not isinstance(value, str) or has_control_characters(value):
                self.fail("bad_value", name=key)
            if len(value) > ATTRIBUTE_MAX_CHARS:
                self.fail("too_long", name=key)
        return data

    def to_representation(self, value: dict[str, str]) -> dict[str, str]:
        """The object."""
        return value


@extend_schema_field({"type": "array", "items": {"type": "string"}})
class NetworksField(serializers.Field[list[str], Any, list[str], Any]):
    """A list of addresses and networks in CIDR notation; empty: from anywhere."""

    def to_internal_value(self, data: Any) -> list[str]:
        """The networks, each in its usual spelling."""
        try:
            return read_networks(data)
        except ValueError as error:
            raise serializers.ValidationError(str(error), code="bad_network") from error

    def to_representation(self, value: list[str]) -> list[str]:
        """The networks."""
        return value


@extend_schema_field({"type": "array", "items": {"type": "string"}})
class CountriesField(serializers.Field[list[str], Any, list[str], Any]):
    """A list of two-letter country codes; empty: not limited."""

    def to_internal_value(self, data: Any) -> list[str]:
        """The codes in capitals and in order."""
        try:
            return read_countries(data)
        except ValueError as error:
            raise serializers.ValidationError(str(error), code="bad_country") from error

    def to_representation(self, value: list[str]) -> list[str]:
        """The codes."""
        return value


@extend_schema_field({"type": "array", "items": {"type": "string", "pattern": "^[0-9]{2,6}$"}})
class ExtensionsField(serializers.Field[list[str], Any, list[str], Any]):
    """A list of extensions of the switch."""

    def to_internal_value(self, data: Any) -> list[str]:
        """The extensions in their order, each once."""
        try:
            return read_extensions(data)
        except ValueError as error:
            raise serializers.ValidationError(str(error), code="bad_extension") from error

    def to_representation(self, value: list[str]) -> list[str]:
        """The extensions."""
        return value


@extend_schema_field({"type": "string", "pattern": "^([0-9]{2,6})?$"})
class OneExtensionField(ExtensionsField):
    """A list of one extension, or of none, written as a text; of a longer one the first is shown."""

    def to_internal_value(self, data: Any) -> list[str]:
        """The list of it."""
        return super().to_internal_value([] if data == "" else [data])

    def to_representation(self, value: list[str]) -> Any:
        """The first extension; empty where there is none."""
        return value[0] if value else ""


@extend_schema_field(OpenApiTypes.OBJECT)
class ObjectField(serializers.Field[dict[str, Any], Any, dict[str, Any], Any]):
    """A JSON object whose inside is checked elsewhere."""

    default_error_messages = {
        "invalid": "Must be an object.",
        "bad_text": "Holds control characters; remove them.",
    }

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """The object."""
        if not isinstance(data, dict):
            self.fail("invalid")
        if _holds_control_characters(data):
            self.fail("bad_text")
        return data

    def to_representation(self, value: dict[str, Any]) -> dict[str, Any]:
        """The object."""
        return value


def _holds_control_characters(value: Any) -> bool:
    # The parser has limited the depth.
    if isinstance(value, dict):
        return any(has_control_characters(key) or _holds_control_characters(child) for key, child in value.items())
    if isinstance(value, list):
        return any(_holds_control_characters(child) for child in value)
    return isinstance(value, str) and has_control_characters(value)
