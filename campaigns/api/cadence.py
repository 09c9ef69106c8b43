"""The cadence of a campaign as the API takes and describes it."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from campaigns.api.fields import ObjectField
from campaigns.policies.cadence import (
    DISPOSITION_MAX_CHARS,
    LADDER_MAX_STEPS,
    RULE_OUTCOMES,
    RULES_MAX,
    TRIES_MAX,
    WAIT_MAX_S,
    Moment,
    parse_cadence,
)

_WAITS: Final = {
    "type": "array",
    "maxItems": LADDER_MAX_STEPS,
    "description": "Seconds, or the next day at the same time, or the part of the day tried least",
    "items": {
        "oneOf": [
            {"type": "number", "minimum": 0, "maximum": WAIT_MAX_S},
            {"type": "string", "enum": [moment.value for moment in Moment]},
        ]
    },
}
_RULE: Final = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "outcome": {"type": "string", "enum": ["", *RULE_OUTCOMES], "description": "Missing or empty: any other"},
        "disposition": {"type": "string", "maxLength": DISPOSITION_MAX_CHARS, "description": "Missing: any"},
        "waits": _WAITS,
        "max_tries": {
            "type": "integer",
            "minimum": 1,
            "maximum": TRIES_MAX,
            "nullable": True,
            "description": "The last wait is repeated until so many attempts fell under the rule",
        },
    },
}
_CADENCE: Final = {
    "type": "object",
    "additionalProperties": False,
    "description": 'The row that names most decides. Short form: {"waits_s": {"busy": [600], "default": [1800]}}',
    "properties": {
        "rules": {"type": "array", "maxItems": RULES_MAX, "items": _RULE},
        "waits_s": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "number"}}},
    },
}


@extend_schema_field(_CADENCE)
class CadenceField(ObjectField):
    """When a contact is tried again."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """The cadence, if its shape is one."""
        cadence = super().to_internal_value(data)
        try:
            parse_cadence(cadence)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error
        return cadence
