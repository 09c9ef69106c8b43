"""The parameters a switch hands to the bridge, written by the campaign as texts with placeholders.

A template is a JSON object of name → text. A text may use `{{ customer.name }}`, `{{ customer.phone_number }}` and
`{{ attributes.any_column }}`; nothing else is read inside the braces, so a list's cell can never become a placeholder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# What PSR's form takes, less the key that carries our token. Source: reliability C.3.
PARAMETERS_MAX = 30
TEXT_MAX_CHARS = 1000
RESERVED_NAMES = frozenset({"trunkline_token", "call_id", "tenant"})
CUSTOMER_FIELDS = ("name", "phone_number")

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_PLACEHOLDER = re.compile(r"\{\{\s*(.*?)\s*\}\}")
_COLUMN = re.compile(r"attributes\.([A-Za-z][A-Za-z0-9_]*)")


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whose values fill the placeholders."""

    name: str
    phone_number: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One reference: a field of the customer, or a column of the list."""

    source: str
    key: str

    def value_for(self, recipient: Recipient) -> str:
        """Its text; empty where the row has no such cell."""
        if self.source == "attributes":
            value = recipient.attributes.get(self.key)
            return "" if value is None else str(value)
        return recipient.name if self.key == "name" else recipient.phone_number


@dataclass(frozen=True, slots=True)
class ParameterTemplate:
    """A validated template: per parameter, its pieces in order."""

    parameters: Mapping[str, tuple[str | Placeholder, ...]]

    @property
    def columns(self) -> tuple[str, ...]:
        """The list columns it needs, sorted."""
        pieces = (piece for text in self.parameters.values() for piece in text)
        keys = {piece.key for piece in pieces if isinstance(piece, Placeholder) and piece.source == "attributes"}
        return tuple(sorted(keys))

    def missing_columns(self, columns: Iterable[str]) -> tuple[str, ...]:
        """The columns it needs that `columns` lacks, sorted."""
        return tuple(sorted(set(self.columns) - set(columns)))

    def render(self, recipient: Recipient) -> dict[str, str]:
        """The parameters for one customer."""
        return {
            name: "".join(piece if isinstance(piece, str) else piece.value_for(recipient) for piece in text)
            for name, text in self.parameters.items()
        }


def parse_template(raw: Any) -> ParameterTemplate:
    """The template a campaign's JSON describes.

    Raises:
        ValueError: the text names the parameter and says what is expected.
    """
    if not isinstance(raw, Mapping) or len(raw) > PARAMETERS_MAX:
        raise ValueError(f"A parameter template is an object of at most {PARAMETERS_MAX} texts.")
    return ParameterTemplate({str(name): _parse_text(str(name), text) for name, text in raw.items()})


def _parse_text(name: str, text: Any) -> tuple[str | Placeholder, ...]:
    if not _NAME.fullmatch(name) or name in RESERVED_NAMES:
        raise ValueError(
            f"{name!r} cannot be a parameter's name: use a letter, then up to 39 letters, digits or underscores; "
            f"{', '.join(sorted(RESERVED_NAMES))} are taken."
        )
    if not isinstance(text, str) or len(text) > TEXT_MAX_CHARS:
        raise ValueError(f"The parameter {name!r} must be a text of at most {TEXT_MAX_CHARS} characters.")
    pieces: list[str | Placeholder] = []
    # Splitting by a pattern with one group leaves literal texts at even places and references at odd ones.
    for place, piece in enumerate(_PLACEHOLDER.split(text)):
        if place % 2:
            pieces.append(_parse_reference(name, piece))
        elif "{{" in piece or "}}" in piece:
            raise ValueError(f"The parameter {name!r} has braces that do not close: write {{{{ customer.name }}}}.")
        elif piece:
            pieces.append(piece)
    return tuple(pieces)


def _parse_reference(name: str, reference: str) -> Placeholder:
    if column := _COLUMN.fullmatch(reference):
        return Placeholder("attributes", column[1])
    source, _, key = reference.partition(".")
    if source == "customer" and key in CUSTOMER_FIELDS:
        return Placeholder("customer", key)
    raise ValueError(
        f"The parameter {name!r} refers to {reference!r}; possible are customer.name, customer.phone_number "
        "and attributes.COLUMN."
    )
