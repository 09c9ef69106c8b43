"""Pages of lists."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request

PAGE_SIZE = 50
PAGE_SIZE_MAX = 200
PAGE_MAX = 1_000_000_000


class PagePagination(PageNumberPagination):
    """`?page=&page_size=`; a number that makes no sense is refused, never guessed."""

    page_size = PAGE_SIZE
    page_size_query_param = "page_size"
    max_page_size = PAGE_SIZE_MAX

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        """The page's rows.

        Raises:
            ValidationError: `page` or `page_size` is no number in its range.
            NotFound: there are fewer pages.
        """
        _checked(request, self.page_query_param, PAGE_MAX)
        _checked(request, "page_size", PAGE_SIZE_MAX)
        return super().paginate_queryset(queryset, request, view)


def _checked(request: Request, name: str, highest: int) -> None:
    text = request.query_params.get(name)
    if text is None:
        return
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(highest))
    if not is_number or not 1 <= int(text) <= highest:
        raise ValidationError({name: [f"Must be a whole number from 1 to {highest}."]}, code="bad_page")
