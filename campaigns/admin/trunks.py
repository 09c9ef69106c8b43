"""Trunks. The token goes in and never comes out."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminPasswordWidget

from campaigns.admin.base import HTTPS_BY_DEFAULT, changed_values, field_values, form_field
from campaigns.admin.list_fields import CountriesField, NetworksField
from campaigns.enums import TrunkHold
from campaigns.models import Trunk
from campaigns.services import definitions, trunks
from telephony.errors import LocalProtocolError
from telephony.psr.payloads import check_token


class TrunkForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    """A trunk with its token write-only: an empty field keeps the token there is."""

    token = forms.CharField(
        required=False,
        max_length=500,
        strip=True,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="Never shown again. Leave empty to keep the token that is set.",
    )

    allowed_networks = NetworksField()
    allowed_countries = CountriesField()

    class Meta:
        model = Trunk
        formfield_callback = form_field
        fields = [
            "name",
            "base_url",
            "auth_scheme",
            "token",
            "dial_format",
            "max_concurrent_calls",
            "calls_per_second",
            "tenant",
            "allowed_networks",
            "allowed_countries",
            "is_enabled",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.pop("token", None)

    def clean_token(self) -> str:
        entered: str = self.cleaned_data["token"]
        if entered:
            try:
                check_token(entered)
            except LocalProtocolError as error:
                raise forms.ValidationError(
                    "Enter the token alone, ASCII without spaces; the word before it is the auth scheme."
                ) from error
        return entered or (self.instance.token if self.instance.pk else "")


@admin.register(Trunk)
class TrunkAdmin(ModelAdmin):
    form = TrunkForm
    formfield_overrides = HTTPS_BY_DEFAULT
    list_display = [
        "name",
        "base_url",
        "show_token",
        "show_hold",
        "is_enabled",
        "show_limits",
    ]
    list_filter = ["is_enabled", "hold", "auth_scheme"]
    search_fields = ["name", "base_url"]
    readonly_fields = ["show_token", "hold", "hold_detail", "released_at", "throttled_until"]
    actions = ["release_holds", "hold_by_hand"]
    fieldsets = [
        (None, {"fields": ["name", "base_url", "auth_scheme", "token", "show_token", "dial_format"]}),
        (
            "What it may carry",
            {"fields": ["max_concurrent_calls", "calls_per_second", "allowed_countries", "is_enabled"]},
        ),
        ("Whose sockets are let in", {"fields": ["tenant", "allowed_networks"]}),
        ("How it stands", {"fields": ["hold", "hold_detail", "released_at", "throttled_until"]}),
    ]

    def get_fieldsets(self, request: HttpRequest, obj: Trunk | None = None) -> Any:
        """Without the token for who may only look: what cannot be entered would be shown."""
        may_enter = self.has_add_permission(request) if obj is None else self.has_change_permission(request, obj)
        if may_enter:
            return self.fieldsets
        return [
            (title, {"fields": [name for name in options["fields"] if name != "token"]})
            for title, options in self.fieldsets
        ]

    @display(description="Token now", label={"set": "success", "not set": "danger"})
    def show_token(self, trunk: Trunk) -> str:
        return "set" if trunk.token else "not set"

    @display(description="Hold", label={"dialing": "success"}, ordering="hold")
    def show_hold(self, trunk: Trunk) -> str:
        return "dialing" if trunk.hold == TrunkHold.NONE else str(trunk.get_hold_display())

    @display(description="Limits")
    def show_limits(self, trunk: Trunk) -> str:
        return f"{trunk.max_concurrent_calls:,} calls at once, {trunk.calls_per_second:g} a second"

    def save_model(self, request: HttpRequest, obj: Trunk, form: Any, change: bool) -> None:
        if change:
            definitions.change_trunk(obj, changed_values(form), now=timezone.now())
        else:
            obj.pk = definitions.create_trunk(field_values(form)).pk

    @admin.action(description="Release the hold: dial again", permissions=["change"])
    def release_holds(self, request: HttpRequest, chosen: QuerySet[Trunk]) -> None:
        now = timezone.now()
        released = sum(trunks.release_hold(trunk.pk, now=now) for trunk in chosen)
        self.message_user(request, f"{released} trunks are dialing again.")

    @admin.action(description="Hold: dial nothing until released", permissions=["change"])
    def hold_by_hand(self, request: HttpRequest, chosen: QuerySet[Trunk]) -> None:
        now = timezone.now()
        who = request.user.get_username() if isinstance(request.user, User) else ""
        held = sum(trunks.hold(trunk.pk, TrunkHold.MANUAL, detail=f"by {who}", now=now) for trunk in chosen)
        self.message_user(request, f"{held} trunks are held. Live calls go on.")
