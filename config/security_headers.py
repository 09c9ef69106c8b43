"""Headers that keep browsers from doing what no page of ours asks for; they stand on every response.

What may be loaded differs by part of the site. Our pages load files of ours and nothing inline. The admin's theme
writes styles into its pages and evaluates attributes (Alpine), the API's browsable docs write styles; neither needs an
inline script. Answers for programs load nothing at all.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin


def _policy(**directives: str) -> str:
    allowed = {"default-src": "'none'", **{name.replace("_", "-"): sources for name, sources in directives.items()}}
    return "; ".join(f"{name} {sources}" for name, sources in allowed.items())


PROGRAMS = _policy(base_uri="'none'", form_action="'none'", frame_ancestors="'none'")
PAGES = _policy(
    script_src="'self'",
    style_src="'self'",
    font_src="'self'",
    img_src="'self' data:",
    media_src="'self'",
    connect_src="'self'",
    form_action="'self'",
    base_uri="'none'",
    frame_ancestors="'none'",
)
ADMIN = _policy(
    script_src="'self' 'unsafe-eval'",
    style_src="'self' 'unsafe-inline'",
    font_src="'self'",
    img_src="'self' data:",
    connect_src="'self'",
    form_action="'self'",
    base_uri="'none'",
    frame_ancestors="'none'",
)
API_DOCS = _policy(
    script_src="'self'",
    style_src="'self' 'unsafe-inline'",
    font_src="'self'",
    img_src="'self' data:",
    connect_src="'self'",
    base_uri="'none'",
    form_action="'none'",
    frame_ancestors="'none'",
)
# The first prefix that fits decides; the last one fits everything.
POLICIES: tuple[tuple[str, str], ...] = (
    ("/admin/", ADMIN),
    ("/api/docs/", API_DOCS),
    ("/api/", PROGRAMS),
    ("/health/", PROGRAMS),
    ("/metrics", PROGRAMS),
    ("/", PAGES),
)
EVERYWHERE: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not "no-referrer": with it browsers send `Origin: null` with our own forms, and every POST fails the CSRF check.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def headers_for(path: str) -> dict[str, str]:
    """The headers of any response to a request for this path."""
    policy = next((policy for prefix, policy in POLICIES if path.startswith(prefix)), PROGRAMS)
    return {"Content-Security-Policy": policy, **EVERYWHERE}


class SecurityHeadersMiddleware(MiddlewareMixin):
    """Django middleware; the outermost, so that refusals of the others carry the headers too."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """The response with the headers of its path."""
        for name, value in headers_for(request.path).items():
            response[name] = value
        return response
