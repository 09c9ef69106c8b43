"""Whatever a client sends, the answer is a clear one: never a 500, and always in the same shape."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from campaigns.api.urls import router
from tests.factories import make_agent, make_campaign, make_customer, make_list, make_trunk

# The parser is tried elsewhere; here is what gets through it.
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.sampled_from(
        ["0912345678", "https://example.com/", "2030-01-01T00:00:00Z", "mono_a", "{{ customer.name }}", 1, 0]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)
UUID = "00000000-0000-4000-8000-000000000000"
# A variable of a path, such as (?P<pk>[^/.]+).
VARIABLE = re.compile(r"\(\?P<\w+>[^)]*\)")


def example_of(pattern: URLPattern | URLResolver) -> str:
    """A path that the pattern matches."""
    text = str(pattern.pattern).removeprefix("^").removesuffix("$").removesuffix("\\Z")
    return next(path for path in (VARIABLE.sub(value, text) for value in ("1", UUID)) if pattern.pattern.match(path))


def written_routes() -> Iterator[tuple[str, str, list[str]]]:
    """Every route that takes a body, as (method, path, names a body may have)."""
    for pattern in router.urls:
        view: Any = pattern.callback
        for method in view.actions.keys() & {"post", "patch"}:
            yield (
                method.upper(),
                example_of(pattern),
                [*view.cls.serializer_class().fields, "phone_numbers", "no_such_field"],
            )


@pytest.mark.parametrize(
    ("method", "path", "names"), sorted(written_routes()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_no_body_breaks_the_api(manager: APIClient, method: str, path: str, names: list[str]):
    make_campaign(agent=make_agent(), trunk=make_trunk()).customer_lists.add(make_list(customers=[make_customer()]))
    bodies = st.dictionaries(st.sampled_from(names), VALUES, max_size=5) | VALUES

    @settings(max_examples=25, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
    @given(bodies)
    def attack(body: object) -> None:
        text = json.dumps(body)
        answer = manager.generic(method, f"/api/v1/{path}", text, content_type="application/json")
        assert answer.status_code < 500, (answer.content, text)
        if answer.status_code >= 400:
            assert sorted(answer.json()) == ["code", "detail", "errors"]

    attack()


@pytest.mark.parametrize(
    ("prefix", "view", "_"), router.registry, ids=lambda value: value if isinstance(value, str) else ""
)
def test_no_query_breaks_the_api(manager: APIClient, prefix: str, view: type, _: str):
    filters = getattr(view.filterset_class, "base_filters", ())  # type: ignore[attr-defined]

    @settings(max_examples=25, deadline=None, database=None)
    @given(st.dictionaries(st.sampled_from(["page", "page_size", *filters, "order"]), st.text(max_size=20), max_size=3))
    def attack(query: dict[str, str]) -> None:
        query = {name: text.encode("utf-8", "replace").decode() for name, text in query.items()}
        answer = manager.get(f"/api/v1/{prefix}/", query)
        assert answer.status_code in (200, 404, 422), (answer.content, query)

    attack()
