"""Long lists, one page at a time, with links that keep the filters."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

ROWS_PER_PAGE = 25


def one_page(request: HttpRequest, rows: QuerySet[Any]) -> dict[str, Any]:
    """The page the address asks for (the nearest one there is), and the query string its neighbours keep."""
    query = request.GET.copy()
    query.pop("page", None)
    found: Page[Any] = Paginator(rows, ROWS_PER_PAGE).get_page(request.GET.get("page"))
    return {"page": found, "kept_query": query.urlencode()}
