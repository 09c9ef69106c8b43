"""Stream endpoints. The key is shown once, when it is made."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from campaigns.admin.base import changed_values, field_values
from campaigns.admin.list_fields import NetworksField
from campaigns.admin.secrets import show_once
from campaigns.models import StreamEndpoint
from campaigns.policies.endpoint_options import check_options
from campaigns.services import endpoints
from telephony.protocols.registry import PROTOCOLS, Pass

ADVICE = (
    "Give it to the vendor now: only its digest is kept, so it cannot be shown again. The vendor connects to {address}"
)
OPTIONS_HELP = "A JSON object; {{}} does as documented. Known are: {known}"


class StreamEndpointForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    allowed_networks = NetworksField()

    class Meta:
        model = StreamEndpoint
        fields = ["name", "protocol", "agent", "config", "allowed_networks", "is_active"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "config" in self.fields:
            self.fields["config"].widget.attrs["rows"] = 3
            self.fields["config"].help_text = OPTIONS_HELP.format(known=_known_options())

    def clean(self) -> dict[str, Any]:
        entered = super().clean() or {}
        if "protocol" in entered and "config" in entered:
            try:
                entered["config"] = check_options(entered["protocol"], entered["config"] or {})
            except ValueError as error:
                raise forms.ValidationError({"config": str(error)}) from error
        return entered


@admin.register(StreamEndpoint)
class StreamEndpointAdmin(ModelAdmin):
    form = StreamEndpointForm
    list_display = ["name", "protocol", "agent", "show_state", "key_prefix", "last_used_at"]
    list_filter = ["protocol", "is_active", "agent"]
    search_fields = ["name", "key_prefix"]
    list_select_related = ["agent"]
    actions_detail = ["rotate_key"]

    @display(description="State", label={"open": "success", "closed": "danger"}, ordering="is_active")
    def show_state(self, endpoint: StreamEndpoint) -> str:
        return "open" if endpoint.is_active else "closed"

    def get_fields(self, request: HttpRequest, obj: StreamEndpoint | None = None) -> list[str]:
        made = ["key_prefix", "key_made_at", "last_used_at"] if obj else []
        return [*StreamEndpointForm.Meta.fields, *made]

    def get_readonly_fields(self, request: HttpRequest, obj: StreamEndpoint | None = None) -> list[str]:
        return ["key_prefix", "key_made_at", "last_used_at"]

    def save_model(self, request: HttpRequest, obj: StreamEndpoint, form: Any, change: bool) -> None:
        if change:
            endpoints.change_stream_endpoint(obj, changed_values(form))
        else:
            created, key = endpoints.create_stream_endpoint(field_values(form), now=timezone.now())
            obj.pk = created.pk
            obj.plain_key = key  # type: ignore[attr-defined]  # for response_add alone; no column

    def response_add(
        self, request: HttpRequest, obj: StreamEndpoint, post_url_continue: str | None = None
    ) -> HttpResponse:
        return _show_key(request, obj, obj.plain_key)  # type: ignore[attr-defined]  # as above

    @action(description="New key", url_path="rotate-key", permissions=["change"])
    def rotate_key(self, request: HttpRequest, object_id: str) -> HttpResponse:
        endpoint: StreamEndpoint | None = self.get_object(request, object_id)
        if endpoint is None:
            raise Http404("There is no such endpoint.")
        if request.method == "POST":
            return _show_key(request, *endpoints.rotate_key(endpoint.pk, now=timezone.now()))
        words = {
            "title": "Make a new key?",
            "question": "The old key opens nothing any more from then on. Live calls go on.",
            "button": "Make a new key",
            "back": _page_of(endpoint),
        }
        return TemplateResponse(request, "admin/campaigns/confirm.html", admin.site.each_context(request) | words)


def _show_key(request: HttpRequest, endpoint: StreamEndpoint, key: str) -> HttpResponse:
    advice = ADVICE.format(address=_address_of(endpoint))
    return show_once(request, title="Endpoint key", secret=key, advice=advice, back=_page_of(endpoint))


def _address_of(endpoint: StreamEndpoint) -> str:
    spec = PROTOCOLS[endpoint.protocol]
    query = "?token=<key>" if spec.admission is Pass.KEY_IN_QUERY else ""
    return f"{settings.PUBLIC_WS_URL}/{spec.path}{query}"


def _known_options() -> str:
    inbound = [spec for spec in PROTOCOLS.values() if spec.is_inbound]
    return "; ".join(f"{spec.title}: {', '.join(sorted(spec.endpoint_options)) or 'none'}" for spec in inbound)


def _page_of(endpoint: StreamEndpoint) -> str:
    return reverse("admin:campaigns_streamendpoint_change", args=[endpoint.pk])
