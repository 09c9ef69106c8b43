"""Uploading customers, and the page of an import: progress, rejects, undo."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from unfold.decorators import display
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from campaigns.admin.base import STATE_COLOURS, InternalAdmin, RecordAdmin, signed_in
from campaigns.enums import ImportState
from campaigns.errors import ImportRefused
from campaigns.models import CustomerList, ImportJob, ImportReject
from campaigns.queries.imports import import_progress, reject_rows
from campaigns.services.imports import create_import, undo_import
from campaigns.tasks.imports import run_import
from campaigns.tasks.sending import send

SHOWN_REJECTS = 50


class UploadForm(forms.Form):
    """A file and where it goes: onto a list that exists, or onto a new one."""

    file = forms.FileField(
        label="CSV file", allow_empty_file=True, widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,text/csv"})
    )
    customer_list = forms.ModelChoiceField(
        CustomerList.objects.order_by("name"),
        label="Add to list",
        required=False,
        empty_label="A new list",
        widget=UnfoldAdminSelectWidget,
    )
    new_list = forms.CharField(
        label="Name of the new list", required=False, max_length=200, widget=UnfoldAdminTextInputWidget
    )
    default_region = forms.RegexField(
        r"^[A-Za-z]{2}$",
        label="Region of numbers without a country code",
        help_text="Two letters, for example VN",
        widget=UnfoldAdminTextInputWidget,
    )

    def clean(self) -> dict[str, Any]:
        entered = super().clean() or {}
        name = entered.get("new_list", "").strip()
        if bool(entered.get("customer_list")) == bool(name):
            raise forms.ValidationError("Choose a list, or name a new one; not both.")
        if name and CustomerList.objects.filter(name=name).exists():
            raise forms.ValidationError({"new_list": "There is a list with this name. Choose it above."})
        return entered


def upload_customers(request: HttpRequest, *, list_id: int | None = None) -> HttpResponse:
    """The upload form; an accepted file leads to its import's page."""
    if not request.user.has_perm("campaigns.add_importjob"):
        raise PermissionDenied
    initial = {"default_region": settings.DEFAULT_REGION, "customer_list": list_id}
    form = UploadForm(request.POST or None, request.FILES or None, initial=initial)
    refusal = None
    if request.method == "POST" and form.is_valid():
        try:
            job = _take(request, form)
        except ImportRefused as error:
            refusal = error
        else:
            return HttpResponseRedirect(reverse("admin:campaigns_importjob_change", args=[job.pk]))
    back = reverse("admin:campaigns_customerlist_changelist")
    context = admin.site.each_context(request) | {
        "title": "Upload customers",
        "form": form,
        "refusal": refusal,
        "back": back,
    }
    status = 200 if refusal is None else 422
    return TemplateResponse(request, "admin/campaigns/upload.html", context, status=status)


def _take(request: HttpRequest, form: UploadForm) -> ImportJob:
    """Queue the uploaded file; a new list that its file is refused for is not made.

    Raises:
        ImportRefused
    """
    entered = form.cleaned_data
    chosen: CustomerList | None = entered["customer_list"]
    target = chosen or CustomerList.objects.create(name=entered["new_list"].strip())
    try:
        job = create_import(
            list_id=target.pk,
            file=entered["file"],
            file_name=entered["file"].name,
            user=signed_in(request),
            now=timezone.now(),
            default_region=entered["default_region"],
        )
    except ImportRefused:
        if chosen is None:
            target.delete()
        raise
    # Without a broker the row says that the import waits; resume_imports finds it.
    send(run_import, job_id=job.pk)
    return job


class _Echo:
    """A file for csv.writer that hands every row back."""

    def write(self, row: str) -> str:
        return row


def _csv_lines(job_id: int) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield "\ufeff"  # spreadsheets take it for UTF-8 then
    for row in reject_rows(job_id):
        yield writer.writerow(row)


@admin.register(ImportJob)
class ImportJobAdmin(RecordAdmin):
    list_display = ["file_name", "list", "show_state", "show_progress", "rows_accepted", "rows_rejected", "created_at"]
    list_filter = ["state", "list"]
    search_fields = ["file_name", "list__name", "sha256"]
    list_select_related = ["list"]
    date_hierarchy = "created_at"
    change_form_template = "admin/campaigns/importjob/change_form.html"
    fields = [
        "list",
        "file_name",
        "size_bytes",
        "sha256",
        "default_region",
        "mapping",
        "dialect",
        "created_by",
        "created_at",
        "started_at",
        "finished_at",
        "undone_at",
    ]

    @display(description="State", label=STATE_COLOURS | {"done": "success", "running": "info"}, ordering="state")
    def show_state(self, job: ImportJob) -> tuple[str, str]:
        return job.state, str(job.get_state_display())

    @display(description="Progress")
    def show_progress(self, job: ImportJob) -> str:
        return f"{import_progress(job).progress:.0%}"

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:job_id>/progress.json", wrap(self.progress_json), name="campaigns_importjob_progress"),
            path("<int:job_id>/rejects.csv", wrap(self.rejects_csv), name="campaigns_importjob_rejects"),
            path("<int:job_id>/undo/", wrap(self.undo), name="campaigns_importjob_undo"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        job = ImportJob.objects.filter(pk=object_id).first() if object_id.isdigit() else None
        panel = self._panel(request, job) if job else {}
        page: HttpResponse = super().change_view(request, object_id, form_url, (extra_context or {}) | panel)
        return page

    def _panel(self, request: HttpRequest, job: ImportJob) -> dict[str, Any]:
        progress = import_progress(job)
        may_undo = request.user.has_perm("campaigns.delete_listentry")
        return {
            "job_progress": progress,
            "job_percent": int(progress.progress * 100),
            "first_rejects": job.rejects.order_by("row_number")[:SHOWN_REJECTS],
            "progress_url": reverse("admin:campaigns_importjob_progress", args=[job.pk]),
            "rejects_url": reverse("admin:campaigns_importjob_rejects", args=[job.pk]),
            "undo_url": reverse("admin:campaigns_importjob_undo", args=[job.pk]),
            "can_undo": may_undo and progress.is_over and job.undone_at is None and job.rows_accepted > 0,
        }

    def _job(self, request: HttpRequest, job_id: int) -> ImportJob:
        job = get_object_or_404(ImportJob, pk=job_id)
        if not self.has_view_permission(request, job):
            raise PermissionDenied
        return job

    def progress_json(self, request: HttpRequest, job_id: int) -> JsonResponse:
        progress = import_progress(self._job(request, job_id))
        more = {"is_over": progress.is_over, "state_label": ImportState(progress.state).label}
        return JsonResponse(asdict(progress) | more, headers={"Cache-Control": "no-store"})

    def rejects_csv(self, request: HttpRequest, job_id: int) -> StreamingHttpResponse:
        job = self._job(request, job_id)
        headers = {"Content-Disposition": f'attachment; filename="import-{job.pk}-rejects.csv"'}
        return StreamingHttpResponse(_csv_lines(job.pk), content_type="text/csv; charset=utf-8", headers=headers)

    def undo(self, request: HttpRequest, job_id: int) -> HttpResponse:
        job = self._job(request, job_id)
        if not request.user.has_perm("campaigns.delete_listentry"):
            raise PermissionDenied
        back = reverse("admin:campaigns_importjob_change", args=[job.pk])
        if request.method != "POST":
            context = admin.site.each_context(request) | {
                "title": f"Undo the import of {job.file_name}?",
                "question": f"This takes the {job.entries.count():,} customers it added off the list “{job.list}”, "
                "except those a campaign has made contacts of. Attributes it changed stay changed.",
                "button": "Undo the import",
                "back": back,
            }
            return TemplateResponse(request, "admin/campaigns/confirm.html", context)
        try:
            undone = undo_import(job.pk, now=timezone.now())
        except ImportRefused as refusal:
            messages.error(request, refusal.detail)
        else:
            kept = f" {undone.kept:,} stay: a campaign depends on them." if undone.kept else ""
            messages.success(request, f"{undone.removed:,} customers were taken off the list.{kept}")
        return HttpResponseRedirect(back)


@admin.register(ImportReject)
class ImportRejectAdmin(InternalAdmin):
    list_display = ["job", "row_number", "column", "code", "reason"]
    list_filter = ["code", "job"]
    search_fields = ["reason", "column"]
    list_select_related = ["job"]
