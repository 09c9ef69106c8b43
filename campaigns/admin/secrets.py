"""Showing a new secret: once, in the answer to the form that made it, and nowhere else.

The answer is a page and no redirect, because a message that survives a redirect lies in a cookie meanwhile.
"""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.debug import sensitive_variables


@sensitive_variables("secret")
def show_once(request: HttpRequest, *, title: str, secret: str, advice: str, back: str) -> HttpResponse:
    """A page with the secret that no cache keeps; `back` is where its button leads."""
    context = admin.site.each_context(request) | {"title": title, "secret": secret, "advice": advice, "back": back}
    answer = TemplateResponse(request, "admin/campaigns/secret.html", context)
    answer["Cache-Control"] = "no-store"
    return answer
