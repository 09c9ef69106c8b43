"""Static files under ASGI."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware


class StaticFilesMiddleware(WhiteNoiseMiddleware):
    """whitenoise with its files read whole: they are small, and kept by browsers.

    Its own answers are synchronous iterators. Under ASGI Django reads those whole as well, but warns each time, and
    leaves the file open when the browser goes away before it is sent.
    """

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:  # type: ignore[override]  # not a streamed one
        """The file, or the part of it or the "not modified" that the request asks for."""
        found = static_file.get_response(request.method, request.META)
        content = b""
        if found.file is not None:
            with closing(found.file) as file:
                content = file.read()
        response = HttpResponse(content, status=int(found.status))
        del response["Content-Type"]
        for name, value in found.headers:
            response[name] = value
        if content:
            # The length was noted at the start; a file that was edited since must not break the connection.
            response["Content-Length"] = str(len(content))
        return response
