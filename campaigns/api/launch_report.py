"""What a launch would do, as the API tells it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class ProblemSerializer(serializers.Serializer[Any]):
    field = serializers.CharField()
    message = serializers.CharField()


class SkippedSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    # The metaclass takes the field out of the class, so the serializer's own `label` stays.
    label = serializers.CharField()  # type: ignore[assignment]
    count = serializers.IntegerField(help_text="Customers; one may be counted for several reasons")
    is_final = serializers.BooleanField(help_text="Waiting does not change it")


class ClosedDaySerializer(serializers.Serializer[Any]):
    date = serializers.DateField()
    name = serializers.CharField(help_text="May be empty")


class ExampleSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    phone_number = serializers.CharField()
    parameters = serializers.DictField(child=serializers.CharField())


class ExperienceSerializer(serializers.Serializer[Any]):
    answer_rate = serializers.FloatField()
    talk_s = serializers.FloatField()
    is_assumed = serializers.BooleanField(help_text="There are no calls on the trunk to learn from")


class EstimateSerializer(serializers.Serializer[Any]):
    attempts = serializers.IntegerField()
    open_s = serializers.FloatField(help_text="Seconds of open calling window")
    finish_at = serializers.DateTimeField(allow_null=True, help_text="Null: not within four months")
    experience = ExperienceSerializer()


class LaunchReportSerializer(serializers.Serializer[Any]):
    problems = ProblemSerializer(many=True)
    customers = serializers.IntegerField()
    skipped = SkippedSerializer(many=True)
    closed_days = ClosedDaySerializer(many=True, help_text="Within 60 days: blackout dates and holidays")
    examples = ExampleSerializer(many=True)
    estimate = EstimateSerializer()
