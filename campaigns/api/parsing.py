"""Reading JSON bodies strictly: what two parsers could read differently is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework import status
from rest_framework.exceptions import APIException
from rest_framework.parsers import BaseParser, MultiPartParser

BODY_MAX_BYTES = 1_048_576
DEPTH_MAX = 32
# The longest 64-bit number, with its sign.
NUMBER_MAX_CHARS = 20
# What a form adds to its file: boundaries, headers, the mapping.
FORM_MAX_BYTES = 1_048_576


class BadJson(APIException):
    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "bad_json"
    default_detail = "The body is not valid JSON."


class BodyTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"
    default_detail = f"The body is larger than {BODY_MAX_BYTES} bytes."


class UploadTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "file_too_large"
    default_detail = "The file is larger than IMPORT_MAX_BYTES. Split it and upload the parts."


class _Refused(ValueError):
    """The text is JSON that this API does not take; the message says why."""


def _refuse_constant(text: str) -> None:
    raise _Refused(f"{text} is not a JSON number.")


def _int(text: str) -> int:
    # Also keeps Python's limit on the digits of an integer from becoming an error of ours.
    if len(text) > NUMBER_MAX_CHARS:
        raise _Refused("A number does not fit into 64 bits.")
    return int(text)


def _float(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise _Refused("A number is out of range.")
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Refused("An object has the same key twice.")
    return found


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEPTH_MAX):
        level = [
            child
            for parent in level
            if isinstance(parent, (dict, list))
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return
    raise _Refused(f"The body is nested deeper than {DEPTH_MAX} levels.")


def read_json(body: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        BadJson: not UTF-8, not JSON, nested too deep, a key twice, NaN, a number beyond 64 bits, or a lone surrogate.
    """
    try:
        value = json.loads(
            body.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_int=_int,
            parse_float=_float,
            object_pairs_hook=_object,
        )
        _check_depth(value)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeError as error:
        raise BadJson("The body is not UTF-8 text.") from error
    except RecursionError as error:
        raise BadJson(f"The body is nested deeper than {DEPTH_MAX} levels.") from error
    except json.JSONDecodeError as error:
        raise BadJson(f"The body is not valid JSON: {error.msg} at character {error.pos}.") from error
    except _Refused as error:
        raise BadJson(str(error)) from error
    return value


class StrictJSONParser(BaseParser):
    """application/json, at most 1 MiB, by `read_json`.

    Not a JSONParser: REST framework reads the whole body before it hands it to one of those.
    """

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """The body's value, of any JSON type.

        Raises:
            BadJson, BodyTooLarge: as they say.
        """
        body = stream.read(BODY_MAX_BYTES + 1)
        if len(body) > BODY_MAX_BYTES:
            raise BodyTooLarge
        return read_json(body)


class BoundedMultiPartParser(MultiPartParser):
    """multipart/form-data that announces no more than one largest import, refused before it is taken apart."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """The form's fields and files.

        Raises:
            UploadTooLarge: as it says.
        """
        request = (parser_context or {})["request"]
        # Without a length there is no body: REST framework does not read one then.
        if int(request.META.get("CONTENT_LENGTH") or 0) > settings.IMPORT_MAX_BYTES + FORM_MAX_BYTES:
            raise UploadTooLarge
        return super().parse(stream, media_type, parser_context)
