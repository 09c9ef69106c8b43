"""The OpenAPI document is valid, and docs/reference/api.md names its routes and roles."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.test import Client

from campaigns.enums import Role
from tests.docs.pages import code, page, rows

METHODS = ("get", "post", "patch", "delete", "put")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The OpenAPI document; making it fails on the first warning."""
    out = io.StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=out)
    return yaml.safe_load(out.getvalue())


def roles_of(operation: dict[str, Any]) -> str:
    named = re.search(r"Roles: (.+)\.$", operation["description"].strip())
    assert named is not None
    return "everyone" if len(named.group(1).split(", ")) == len(Role) else named.group(1)


def test_the_page_names_every_route_with_its_roles(document):
    there_are = {
        f"{method.upper()} {path.removeprefix('/api/v1')}": roles_of(operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method in METHODS
    }
    on_the_page = {code(row[0]): row[1] for row in rows(page("reference/api.md")) if " " in code(row[0])}
    assert on_the_page == there_are


def test_every_operation_tells_its_refusals_and_asks_for_a_token(document):
    operations = [
        operation for path in document["paths"].values() for method, operation in path.items() if method in METHODS
    ]
    assert document["openapi"].startswith("3.1")
    silent = [
        operation["operationId"]
        for operation in operations
        if not {"401", "403", "422", "503"} <= operation["responses"].keys()
    ]
    assert silent == []
    assert [operation["security"] for operation in operations] == [[{"token": []}]] * len(operations)


def test_every_post_takes_an_idempotency_key(document):
    posts = [path["post"] for path in document["paths"].values() if "post" in path]
    keys = [[p["name"] for p in post["parameters"] if p["in"] == "header"] for post in posts]
    assert keys == [["Idempotency-Key"]] * len(posts)


@pytest.mark.parametrize("secret", ["token", "secret", "previous_secret"])
def test_no_answer_but_a_new_endpoints_holds_a_secret(document, secret):
    schemas = document["components"]["schemas"]
    telling = [
        name
        for name, schema in schemas.items()
        if not name.endswith("Request") and secret in schema.get("properties", {})
        if not schema["properties"][secret].get("writeOnly")
    ]
    assert telling == (["NewEndpoint"] if secret == "secret" else [])


def test_the_browsable_page_asks_no_other_host(client: Client):
    answer = client.get("/api/docs/")
    assert answer.status_code == 200
    assert re.findall(r"""(?:src|href)=["'](?:https?:)?//[^"']+""", answer.content.decode()) == []


def test_the_document_is_open(client: Client):
    assert client.get("/api/schema/", HTTP_ACCEPT="application/json").json()["info"]["title"] == "Trunkline API"
