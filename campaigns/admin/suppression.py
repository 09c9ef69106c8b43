"""Do-not-call."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin

from campaigns.admin.base import changed_values, name_date_and_time
from campaigns.models import SuppressedNumber
from campaigns.services import definitions
from campaigns.services.suppression import suppress
from telephony.phone_numbers import PhoneNumberError, parse_phone_number


class SuppressedNumberForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    phone_number = forms.CharField(max_length=40, help_text="As written anywhere: 0912 345 678 or +84912345678")

    class Meta:
        model = SuppressedNumber
        fields = ["phone_number", "campaign", "reason", "source", "expires_at"]
        help_texts = {"expires_at": "Empty: for good", "campaign": "Empty: no campaign may call it"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "expires_at" in self.fields:
            name_date_and_time(self.fields["expires_at"], "Expires at")

    def clean_phone_number(self) -> str:
        try:
            return parse_phone_number(self.cleaned_data["phone_number"], settings.DEFAULT_REGION).e164
        except PhoneNumberError as error:
            raise forms.ValidationError(error.detail, code=error.code) from error


@admin.register(SuppressedNumber)
class SuppressedNumberAdmin(ModelAdmin):
    form = SuppressedNumberForm
    list_display = ["phone_number", "campaign", "reason", "source", "expires_at", "created_at"]
    list_filter = ["source", "expires_at", "campaign"]
    list_select_related = ["campaign"]
    search_fields = ["phone_number", "reason"]
    readonly_fields = ["created_at"]
    date_hierarchy = "created_at"

    def get_readonly_fields(self, request: HttpRequest, obj: SuppressedNumber | None = None) -> list[str]:
        return ["created_at"] if obj is None else ["phone_number", "campaign", "source", "call", "created_at"]

    def save_model(self, request: HttpRequest, obj: SuppressedNumber, form: Any, change: bool) -> None:
        if change:
            definitions.change_suppression(obj, changed_values(form))
            return
        entered = form.cleaned_data
        obj.pk = suppress(
            entered["phone_number"],
            reason=entered["reason"],
            source=entered["source"],
            now=timezone.now(),
            expires_at=entered["expires_at"],
            campaign=entered["campaign"],
        ).pk

    def delete_model(self, request: HttpRequest, obj: SuppressedNumber) -> None:
        definitions.lift_suppression(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[SuppressedNumber]) -> None:
        for entry in queryset:
            definitions.lift_suppression(entry)
