"""API tokens, each shown once when it is made."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display

from campaigns.admin.base import InternalAdmin
from campaigns.admin.secrets import show_once
from campaigns.models import ApiToken, IdempotencyRecord
from campaigns.services.access import create_token, revoke_token

ADVICE = "Copy it now: only its digest is kept, so it cannot be shown again. Send it as “Authorization: Bearer …”."


class ApiTokenForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    class Meta:
        model = ApiToken
        fields = ["user", "role", "name"]
        help_texts = {"name": "What it is for, to recognise it later"}


@admin.register(ApiToken)
class ApiTokenAdmin(ModelAdmin):
    form = ApiTokenForm
    list_display = ["prefix", "user", "role", "name", "show_state", "last_used_at", "created_at"]
    list_filter = ["role", ("revoked_at", admin.EmptyFieldListFilter)]
    search_fields = ["prefix", "name", "user__username"]
    list_select_related = ["user"]
    actions = ["revoke"]

    @display(description="State", label={"live": "success", "revoked": "danger"}, ordering="revoked_at")
    def show_state(self, token: ApiToken) -> str:
        return "revoked" if token.revoked_at else "live"

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> list[str]:
        made = ["prefix", "created_at", "last_used_at", "revoked_at"] if obj else []
        return ["user", "role", "name", *made]

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """A token's role is what its holder was promised: make a new one instead."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Revoked tokens stay, to say whose calls they were."""
        return False

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        entered = form.cleaned_data
        token, plain = create_token(entered["user"], entered["role"], entered["name"])
        obj.pk, obj.prefix = token.pk, token.prefix
        form.plain = plain
        obj.plain = plain  # type: ignore[attr-defined]  # for response_add alone; no column

    def response_add(self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None) -> HttpResponse:
        return show_once(
            request,
            title="API token",
            secret=obj.plain,  # type: ignore[attr-defined]  # as above
            advice=ADVICE,
            back=reverse("admin:campaigns_apitoken_changelist"),
        )

    @admin.action(description="Revoke for good", permissions=["add"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[ApiToken]) -> None:
        now = timezone.now()
        revoked = sum(revoke_token(token.pk, now=now) for token in chosen)
        self.message_user(request, f"{revoked} tokens are revoked.")


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(InternalAdmin):
    list_display = ["key", "token", "status_code", "created_at"]
    list_filter = ["status_code"]
    search_fields = ["key"]
    fields = ["token", "key", "status_code", "created_at"]
