"""`imports/`: the uploads of customer lists, how far they are and what they did not take."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.api.fields import has_control_characters
from campaigns.api.filters import ImportFilter
from campaigns.api.parsing import read_json
from campaigns.api.serializers import StrictModelSerializer
from campaigns.api.views import ReadOnlyView, refuse_body
from campaigns.downloads import whole_file
from campaigns.models import ImportJob
from campaigns.queries.imports import import_progress, reject_rows
from campaigns.services.imports import undo_import

MAPPING_MAX_COLUMNS = 5_000


@extend_schema_field(OpenApiTypes.STR)
class MappingField(serializers.Field[dict[str, str], Any, dict[str, str], Any]):
    """A form field that holds a JSON object: column name → field name."""

    default_error_messages = {
        "invalid": 'Must be a JSON object of strings, for example {{"Mobile": "phone_number"}}.',
    }

    def to_internal_value(self, data: Any) -> dict[str, str]:
        """The mapping.

        Raises:
            BadJson: the text is no JSON.
        """
        value = read_json(str(data).encode("utf-8", "surrogatepass"))
        is_mapping = isinstance(value, dict) and len(value) <= MAPPING_MAX_COLUMNS
        if not is_mapping or not all(isinstance(field, str) for field in value.values()):
            self.fail("invalid")
        if has_control_characters(json.dumps(value, ensure_ascii=False)):
            self.fail("invalid")
        return dict(value)


class ImportSerializer(StrictModelSerializer[ImportJob]):
    progress = serializers.SerializerMethodField()

    class Meta:
        model = ImportJob
        fields = [
            "id",
            "list",
            "state",
            "file_name",
            "size_bytes",
            "progress",
            "rows_total",
            "rows_accepted",
            "rows_rejected",
            "rows_duplicate",
            "rows_repaired",
            "error_code",
            "error",
            "created_at",
            "started_at",
            "finished_at",
            "undone_at",
        ]
        read_only_fields = fields

    def get_progress(self, job: ImportJob) -> float:
        """The share of the rows that were read, from 0 to 1."""
        return import_progress(job).progress


class UndoneSerializer(serializers.Serializer[Any]):
    removed = serializers.IntegerField(help_text="Entries taken off the list")
    kept = serializers.IntegerField(help_text="Entries kept, because a campaign has made contacts of them")


class CsvRenderer(BaseRenderer):
    """Lets a client ask for text/csv; the view streams the text itself."""

    media_type = "text/csv"
    format = "csv"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        """Nothing: the view sends the file, and refusals are JSON."""
        return b""


def _csv_file(rows: Iterator[list[str]]) -> IO[bytes]:
    # On the disk: a file of a million bad rows has as many rejects.
    file = tempfile.TemporaryFile()  # noqa: SIM115  the response closes it
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    csv.writer(text).writerows(rows)
    text.detach()
    return file


class ImportView(ReadOnlyView):
    """Uploads of customer lists."""

    queryset = ImportJob.objects.order_by("-id")
    serializer_class = ImportSerializer
    filterset_class = ImportFilter

    @extend_schema(responses={(200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, "The rejected rows as CSV")})
    @action(detail=True, methods=["get"], renderer_classes=[JSONRenderer, CsvRenderer])
    def rejects(self, request: Request, pk: str) -> StreamingHttpResponse:
        """The rows that were not taken, as CSV: row number, column, code, reason, and the row's own cells."""
        job = self.get_object()
        name = f"import-{job.pk}-rejects.csv"
        return whole_file(_csv_file(reject_rows(job.pk)), content_type="text/csv; charset=utf-8", name=name)

    @extend_schema(request=None, responses={200: UndoneSerializer})
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, pk: str) -> Response:
        """Take the entries this import added off the list again, except those a campaign depends on."""
        refuse_body(request)
        return Response(UndoneSerializer(undo_import(self.get_object().pk, now=timezone.now())).data)
