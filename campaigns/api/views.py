"""The base of every view: strict parsing, strict query parameters, idempotent POSTs, one shape of refusal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from celery import Task
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import Model, QuerySet
from django.utils import timezone
from django_filters.filterset import FilterSet
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.exceptions import NotAuthenticated, ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.api.parsing import StrictJSONParser
from campaigns.api.schema import ApiSchema
from campaigns.models import ApiToken
from campaigns.services import idempotency
from campaigns.tasks.sending import send

IDEMPOTENCY_HEADER = "Idempotency-Key"
IDEMPOTENCY_KEY_MAX_CHARS = 200
PAGE_PARAMETERS = ("page", "page_size")

Handler = Callable[..., Response]


class ApiView(viewsets.GenericViewSet[Any]):
    """A resource's view. Lists name their filters in `filterset_class`; writes go through services."""

    parser_classes = [StrictJSONParser]
    schema = ApiSchema()
    metadata_class = None
    filterset_class: type[FilterSet] | None = None
    http_method_names = ["get", "head", "post", "patch", "delete"]
    lookup_value_regex = "[0-9]{1,18}"
    # Of an answer to a POST: secrets that are kept nowhere, so a repeated request is answered without them.
    unrepeated_fields: tuple[str, ...] = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse what no handler should see, and arm the idempotency of a POST."""
        super().initial(request, *args, **kwargs)
        self._refuse_unknown_parameters(request)
        key = request.headers.get(IDEMPOTENCY_HEADER)
        if request.method == "POST" and key is not None and self.action is not None:
            self.post = partial(self._answer_once, _checked_key(key), getattr(self, self.action))

    def handle_exception(self, exc: Exception) -> Response:
        """A refusal, in JSON also where something else was asked for."""
        response = super().handle_exception(exc)
        self.request.accepted_renderer = JSONRenderer()
        self.request.accepted_media_type = JSONRenderer.media_type
        return response

    def _refuse_unknown_parameters(self, request: Request) -> None:
        known = set(self._known_parameters())
        unknown = {name[:100]: ["There is no such parameter."] for name in request.query_params if name not in known}
        if unknown:
            raise ValidationError(unknown, code="unknown_parameter")

    def _known_parameters(self) -> Iterable[str]:
        if self.action != "list":
            return ()
        return (*PAGE_PARAMETERS, *getattr(self.filterset_class, "base_filters", ()))

    def _answer_once(self, key: str, handler: Handler, request: Request, *args: Any, **kwargs: Any) -> Response:
        reservation = idempotency.reserve(
            token=token_of(request), key=key, request_digest=_digest_of(request), now=timezone.now()
        )
        if isinstance(reservation, idempotency.StoredAnswer):
            return Response(reservation.body, status=reservation.status_code, headers={"Idempotent-Replayed": "true"})
        is_answered = False
        try:
            with transaction.atomic():
                response = handler(request, *args, **kwargs)
                body = self._body_to_keep(response)
                idempotency.store(reservation, status_code=response.status_code, body=body)
            is_answered = True
        finally:
            if not is_answered:
                idempotency.release(reservation)
        return response

    def _body_to_keep(self, response: Response) -> Any:
        body = json.loads(JSONRenderer().render(response.data)) if response.data is not None else None
        if not isinstance(body, dict):
            return body
        return {name: None if name in self.unrepeated_fields else value for name, value in body.items()}

    def checked(self, request: Request, row: Model | None = None) -> dict[str, Any]:
        """The body's values by the action's serializer; of a PATCH only those that were sent.

        Raises:
            ValidationError: naming every field at fault.
        """
        serializer = self.get_serializer(row, data=request.data, partial=row is not None)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def shown(self, row: Any, *, is_new: bool = False) -> Response:
        """The answer that shows a row."""
        code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return Response(self.get_serializer(row).data, status=code)


class ReadOnlyView(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiView):
    """A resource that is only read."""


def enqueue_on_commit(task: Task[..., None], **kwargs: Any) -> None:
    """Send a task once what it is about is committed. A lost message is found by the task's sweeper."""
    transaction.on_commit(lambda: send(task, **kwargs))


def token_of(request: Request) -> ApiToken:
    """The token the request came with.

    Raises:
        NotAuthenticated: it came with none; the permission has refused it before.
    """
    if not isinstance(request.auth, ApiToken):
        raise NotAuthenticated
    return request.auth


def refuse_body(request: Request) -> None:
    """Refuse a body where an action takes none, so that nobody believes that it did something.

    Raises:
        ValidationError: there is one.
    """
    if request.data:
        raise ValidationError("This action takes no body.", code="unexpected_body")


def page_of(view: ApiView, rows: QuerySet[Any], serializer_class: type[serializers.BaseSerializer[Any]]) -> Response:
    """The asked-for page of rows that are not the view's own."""
    page = view.paginate_queryset(rows)
    return view.get_paginated_response(serializer_class(page, many=True).data)


def _checked_key(key: str) -> str:
    is_fit = 0 < len(key) <= IDEMPOTENCY_KEY_MAX_CHARS and key.isascii() and key.isprintable()
    if not is_fit:
        raise ValidationError(
            {IDEMPOTENCY_HEADER: [f"Must have 1 to {IDEMPOTENCY_KEY_MAX_CHARS} printable ASCII characters."]},
            code="bad_idempotency_key",
        )
    return key


def _digest_of(request: Request) -> str:
    """The SHA-256 of what is asked for. A multipart body is taken apart first: its boundary differs every time."""
    digest = hashlib.sha256(f"{request.method} {request.path}\n".encode())
    files = request.FILES
    plain: Any = request.data
    if files:
        plain = {name: value for name, value in plain.items() if name not in files}
    digest.update(json.dumps(plain, sort_keys=True, ensure_ascii=False, default=str).encode())
    for name in sorted(files):
        _add_file(digest, name, files[name])
    return digest.hexdigest()


def _add_file(digest: Any, name: str, file: UploadedFile[Any]) -> None:
    digest.update(f"\n{name}\n".encode())
    for chunk in file.chunks():
        digest.update(chunk)
    file.seek(0)
