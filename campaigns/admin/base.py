"""What the admin's classes share: read-only records, badge colours, and who is asking."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.contrib.auth.models import AnonymousUser, User
from django.db import models
from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from unfold.admin import ModelAdmin

from campaigns.enums import AttemptState, CampaignState, ContactState, ImportState, Outcome, StepState

# Colours of unfold's labels by value; what is missing here is grey.
STATE_COLOURS: dict[str, str] = {
    CampaignState.RUNNING: "success",
    CampaignState.PAUSED: "warning",
    CampaignState.SCHEDULED: "info",
    CampaignState.CANCELED: "danger",
    AttemptState.IN_CALL: "success",
    AttemptState.PLACED: "info",
    AttemptState.UNKNOWN: "warning",
    ContactState.DIALING: "info",
    ContactState.DONE: "success",
    ContactState.BLOCKED: "danger",
    ImportState.FAILED: "danger",
    StepState.DEAD: "danger",
}
OUTCOME_COLOURS: dict[str, str] = {
    Outcome.ANSWERED: "success",
    Outcome.MACHINE: "info",
    Outcome.BUSY: "warning",
    Outcome.NO_ANSWER: "warning",
    Outcome.CONGESTION: "warning",
    Outcome.UNCONFIRMED: "warning",
    Outcome.REJECTED: "danger",
    Outcome.INVALID_NUMBER: "danger",
    Outcome.FAILED: "danger",
    Outcome.BLOCKED: "danger",
}


# A web address typed without a scheme means https, as it will by default from Django 6.
HTTPS_BY_DEFAULT: dict[type[models.Field[Any, Any]], dict[str, Any]] = {models.URLField: {"assume_scheme": "https"}}


def form_field(field: models.Field[Any, Any], **options: Any) -> forms.Field | None:
    """The form field of a model's field, as `Meta.formfield_callback` of a ModelForm wants it."""
    return field.formfield(**(HTTPS_BY_DEFAULT.get(type(field), {}) | options))


def name_date_and_time(field: forms.Field, title: str) -> None:
    """Tell the two inputs of a moment apart for those who do not see them: the field's label belongs to neither."""
    date, time = field.widget.widgets
    date.attrs["aria-label"], time.attrs["aria-label"] = f"{title}: date", f"{title}: time"


class RecordAdmin(ModelAdmin):
    """Rows that the platform writes and people only read."""

    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class InternalAdmin(RecordAdmin):
    """Rows the platform keeps for itself: no entry in the lists of what there is, but open to who may see them."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return False


class OwnerAdmin(ModelAdmin):
    """Rows that records belong to: `owned` go with them, though nobody may delete one of those alone."""

    owned: tuple[type[Model], ...] = ()

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        rows, counts, refused, protected = super().get_deleted_objects(objs, request)
        return rows, counts, refused - {model._meta.verbose_name for model in self.owned}, protected


def in_lines(texts: Iterable[str]) -> str:
    """Texts below each other; a dash without any."""
    return format_html_join(mark_safe("<br>"), "{}", ((text,) for text in texts)) or "–"


def pairs_in_lines(pairs: Mapping[str, Any]) -> str:
    """A small stored object, a line for each of its entries."""
    return in_lines(f"{name}: {value}" for name, value in pairs.items())


def signed_in(request: HttpRequest) -> User:
    """The person behind an admin request; the admin lets nobody else in."""
    if isinstance(request.user, AnonymousUser):
        raise TypeError("This view is not behind the admin's sign-in.")
    return request.user


def changed_values(form: Any) -> dict[str, Any]:
    """What a person changed in a form, as the services take it."""
    return {name: form.cleaned_data[name] for name in form.changed_data if name in form.cleaned_data}


def field_values(form: Any) -> dict[str, Any]:
    """Everything a person entered in a form for a new row."""
    return dict(form.cleaned_data)
