"""Webhook endpoints and what was sent to them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from campaigns.admin.base import (
    HTTPS_BY_DEFAULT,
    STATE_COLOURS,
    InternalAdmin,
    OwnerAdmin,
    RecordAdmin,
    changed_values,
    form_field,
)
from campaigns.admin.secrets import show_once
from campaigns.enums import WebhookEvent
from campaigns.errors import WebhookRefused
from campaigns.models import OutboxEvent, WebhookDelivery, WebhookDeliveryAttempt, WebhookEndpoint
from campaigns.services import definitions, webhooks

ADVICE = "Give it to the receiver now: it verifies our signatures with it. It is not shown again."


class EndpointForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    events = forms.MultipleChoiceField(
        choices=WebhookEvent.choices,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="None chosen: all of them",
    )

    class Meta:
        model = WebhookEndpoint
        formfield_callback = form_field
        fields = ["url", "description", "events", "is_enabled"]

    def clean(self) -> dict[str, Any]:
        entered = super().clean() or {}
        if "url" in entered and "events" in entered:
            try:
                webhooks.check_endpoint(url=entered["url"], events=entered["events"])
            except WebhookRefused as refusal:
                raise forms.ValidationError({name: list(texts) for name, texts in refusal.errors.items()}) from refusal
        return entered


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(OwnerAdmin):
    owned = (WebhookDelivery, WebhookDeliveryAttempt)
    form = EndpointForm
    formfield_overrides = HTTPS_BY_DEFAULT
    list_display = ["url", "description", "show_events", "show_state"]
    list_filter = ["is_enabled"]
    search_fields = ["url", "description"]
    fields = ["url", "description", "events", "is_enabled", "disabled_reason", "first_failure_at", "created_at"]
    readonly_fields = ["disabled_reason", "first_failure_at", "created_at"]
    actions_detail = ["send_test", "rotate_secret"]

    @display(description="Events")
    def show_events(self, endpoint: WebhookEndpoint) -> str:
        return ", ".join(endpoint.events) or "all"

    @display(description="State", label={"on": "success", "off": "danger"}, ordering="is_enabled")
    def show_state(self, endpoint: WebhookEndpoint) -> str:
        return "on" if endpoint.is_enabled else "off"

    def save_model(self, request: HttpRequest, obj: WebhookEndpoint, form: Any, change: bool) -> None:
        if change:
            definitions.change_endpoint(obj, changed_values(form))
        else:
            created = definitions.create_endpoint(form.cleaned_data)
            obj.pk, obj.secret = created.pk, created.secret

    def response_add(
        self, request: HttpRequest, obj: WebhookEndpoint, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._show_secret(request, obj)

    def _show_secret(self, request: HttpRequest, endpoint: WebhookEndpoint) -> HttpResponse:
        back = reverse("admin:campaigns_webhookendpoint_change", args=[endpoint.pk])
        return show_once(request, title="Webhook secret", secret=endpoint.secret, advice=ADVICE, back=back)

    def _found(self, request: HttpRequest, object_id: str) -> WebhookEndpoint:
        endpoint: WebhookEndpoint | None = self.get_object(request, object_id)
        if endpoint is None:
            raise Http404("There is no such endpoint.")
        return endpoint

    def _ask(self, request: HttpRequest, endpoint: WebhookEndpoint, **words: str) -> HttpResponse:
        back = reverse("admin:campaigns_webhookendpoint_change", args=[endpoint.pk])
        context = admin.site.each_context(request) | words | {"back": back}
        return TemplateResponse(request, "admin/campaigns/confirm.html", context)

    @action(description="Send a test event", url_path="send-test", permissions=["change"])
    def send_test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        endpoint = self._found(request, object_id)
        if request.method != "POST":
            question = f"A webhook.test event goes to {endpoint.url} and to no other endpoint."
            return self._ask(request, endpoint, title="Send a test event?", question=question, button="Send it")
        try:
            webhooks.send_test(endpoint.pk, now=timezone.now())
        except WebhookRefused as refusal:
            messages.error(request, refusal.detail)
        else:
            messages.success(request, "A webhook.test event is on its way; see the deliveries.")
        return HttpResponseRedirect(reverse("admin:campaigns_webhookendpoint_change", args=[endpoint.pk]))

    @action(description="New secret", url_path="rotate-secret", permissions=["change"])
    def rotate_secret(self, request: HttpRequest, object_id: str) -> HttpResponse:
        endpoint = self._found(request, object_id)
        if request.method != "POST":
            question = "The old secret goes on signing too for 24 hours. After that only the new one does."
            return self._ask(
                request, endpoint, title="Make a new secret?", question=question, button="Make a new secret"
            )
        return self._show_secret(request, webhooks.rotate_secret(endpoint.pk, now=timezone.now()))


class DeliveryAttemptInline(TabularInline):
    model = WebhookDeliveryAttempt
    fields = readonly_fields = ["at", "status_code", "duration_ms", "error", "response_excerpt"]
    extra = 0
    can_delete = False
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(RecordAdmin):
    list_display = ["event", "endpoint", "show_state", "tries", "next_at", "delivered_at"]
    list_filter = ["state", "endpoint", "event__type"]
    search_fields = ["event__id", "event__subject"]
    list_select_related = ["event", "endpoint"]
    inlines = [DeliveryAttemptInline]
    actions = ["replay"]

    @display(description="State", label=STATE_COLOURS | {"done": "success", "failed": "warning"}, ordering="state")
    def show_state(self, delivery: WebhookDelivery) -> tuple[str, str]:
        return delivery.state, str(delivery.get_state_display())

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Whether this person may have deliveries sent again; nobody else changes them."""
        return request.user.has_perm("campaigns.change_webhookdelivery")

    @admin.action(description="Send again", permissions=["replay"])
    def replay(self, request: HttpRequest, chosen: QuerySet[WebhookDelivery]) -> None:
        now = timezone.now()
        sent = 0
        for delivery in chosen:
            try:
                webhooks.replay(delivery.pk, now=now)
            except WebhookRefused as refusal:
                messages.error(request, f"{delivery}: {refusal.detail}")
            else:
                sent += 1
        self.message_user(request, f"{sent} deliveries are on their way again.")


@admin.register(OutboxEvent)
class OutboxEventAdmin(InternalAdmin):
    list_display = ["type", "subject", "occurred_at", "is_relayed"]
    list_filter = ["type", "is_relayed"]
    search_fields = ["subject"]
    date_hierarchy = "occurred_at"


@admin.register(WebhookDeliveryAttempt)
class WebhookDeliveryAttemptAdmin(InternalAdmin):
    list_display = ["at", "delivery", "status_code", "duration_ms", "error"]
    list_filter = ["status_code"]
    list_select_related = ["delivery"]
