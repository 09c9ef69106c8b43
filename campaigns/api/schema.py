"""What the OpenAPI generator cannot see by itself: the bearer scheme, the refusals, the idempotency header."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from campaigns.api.permissions import roles_for

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="Makes the request safe to repeat for 72 h: the same key and body get the first answer again.",
)


class ErrorSerializer(serializers.Serializer[Any]):
    """Every refusal has this shape."""

    code = serializers.CharField(help_text="Stable, for programs")
    detail = serializers.CharField(help_text="For people; says what to do")
    # The metaclass takes the field out of the class, so the serializer's own `errors` property stays.
    errors = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField()),
        help_text="Texts by field, if any is at fault",
    )


class TokenScheme(OpenApiAuthenticationExtension):
    """Describes campaigns.api.authentication.TokenAuthentication."""

    target_class = "campaigns.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """The security scheme as OpenAPI writes it."""
        return {"type": "http", "scheme": "bearer", "description": "A token of `manage.py create_api_token`"}


class ApiSchema(AutoSchema):
    """Adds the refusals each operation can answer, its roles, and the idempotency header of a POST."""

    def get_override_parameters(self) -> list[Any]:
        """Parameters that no serializer or filter declares."""
        return [IDEMPOTENCY_KEY] if self.method == "POST" else []

    def get_description(self) -> str:  # type: ignore[override]  # as the generator has it
        """The view's text, and who may call it."""
        action = getattr(self.view, "action", None)
        roles = roles_for(getattr(self.view, "basename", ""), action or "")
        text = super().get_description()
        return f"{text}\n\nRoles: {', '.join(sorted(roles))}." if roles else text

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        bodies = super()._get_response_bodies(direction)
        codes = ["401", "403", "422", "503"]
        if "{" in self.path or self._is_list_view():
            codes.append("404")
        if self.method != "GET":
            codes.append("409")
        if self.method in ("POST", "PATCH"):
            codes += ["400", "413", "415"]
        for code in sorted(codes):
            bodies.setdefault(code, self._get_response_for_code(ErrorSerializer, code, direction=direction))
        return bodies
