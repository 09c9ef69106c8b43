"""The base of every serializer: strict types, and no field that is not asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from django.db import models
from rest_framework import serializers

from campaigns.api import fields

M = TypeVar("M", bound=models.Model)

REF_MAX = 2**63 - 1


class RefField(serializers.PrimaryKeyRelatedField[Any]):
    """The id of another row, as a JSON integer."""

    def to_internal_value(self, data: Any) -> Any:
        """The row."""
        if type(data) is not int:
            self.fail("incorrect_type", data_type=type(data).__name__)
        if not 0 < data <= REF_MAX:
            self.fail("does_not_exist", pk_value=data)
        return super().to_internal_value(data)


class StrictInput(serializers.Serializer[Any]):
    """Refuses fields it does not know, and fields that only the server writes."""

    def to_internal_value(self, data: Any) -> Any:
        """The checked values.

        Raises:
            ValidationError: with the code `unknown_field` or `read_only` if that is all that is wrong.
        """
        if isinstance(data, Mapping):
            errors: dict[str, list[serializers.ErrorDetail]] = {}
            for name in data:
                known = self.fields.get(name)
                if known is None:
                    errors[str(name)[:100]] = [serializers.ErrorDetail("There is no such field.", "unknown_field")]
                elif known.read_only:
                    errors[name] = [serializers.ErrorDetail("Only the server writes this field.", "read_only")]
            if errors:
                raise serializers.ValidationError(errors)
        return super().to_internal_value(data)


class StrictModelSerializer(StrictInput, serializers.ModelSerializer[M]):
    """A model's fields, each of its own JSON type. Only reads and checks: services write."""

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.CharField: fields.TextField,
        models.TextField: fields.TextField,
        models.SlugField: fields.TextField,
        models.IntegerField: fields.WholeNumberField,
        models.BigIntegerField: fields.WholeNumberField,
        models.PositiveIntegerField: fields.WholeNumberField,
        models.SmallIntegerField: fields.WholeNumberField,
        models.PositiveSmallIntegerField: fields.WholeNumberField,
        models.FloatField: fields.NumberField,
        models.BooleanField: fields.FlagField,
        models.DateTimeField: fields.MomentField,
    }
    serializer_choice_field = fields.ChoiceField
    serializer_related_field = RefField
