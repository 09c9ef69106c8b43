"""The form field of a cadence: a table with a row for each rule, what it is about and the waits it gives.

How a row's waits read is told by campaigns/policies/cadence_text.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from itertools import zip_longest
from typing import Any

from django import forms
from django.forms.renderers import TemplatesSetting
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from campaigns.enums import Outcome
from campaigns.policies.cadence import (
    DISPOSITION_MAX_CHARS,
    RULE_OUTCOMES,
    RULES_MAX,
    TRIES_MAX,
    default_cadence,
    parse_cadence,
)
from campaigns.policies.cadence_text import OTHERS, format_waits, parse_waits

WAITS_MAX_CHARS = 300
PARTS = ("outcome", "disposition", "waits", "tries")
_TYPING = {"autocomplete": "off", "spellcheck": "false"}
_INPUTS: Mapping[str, forms.Widget] = {
    "outcome": UnfoldAdminSelectWidget(
        {"aria-label": "After"}, [("", OTHERS), *((each.value, Outcome(each).label) for each in RULE_OUTCOMES)]
    ),
    "disposition": UnfoldAdminTextInputWidget(
        {"aria-label": "Disposition", "maxlength": DISPOSITION_MAX_CHARS, "placeholder": "any disposition", **_TYPING}
    ),
    "waits": UnfoldAdminTextInputWidget(
        {
            "aria-label": "Waits",
            "maxlength": WAITS_MAX_CHARS,
            "placeholder": "for example 30 min, 2 h, next day",
            **_TYPING,
        }
    ),
    "tries": UnfoldAdminTextInputWidget(
        {"aria-label": "Most attempts", "inputmode": "numeric", "maxlength": 2, "placeholder": "no limit", **_TYPING}
    ),
}


@dataclass(frozen=True, slots=True)
class EnteredRule:
    """One row of the table, as texts."""

    outcome: str = ""
    disposition: str = ""
    waits: str = ""
    tries: str = ""

    def read(self) -> dict[str, Any]:
        """The rule as it is stored.

        Raises:
            ValueError: the text says what cannot be read.
        """
        tries = self.tries and _read_tries(self.tries)
        rule = {"outcome": self.outcome, "disposition": self.disposition} | ({"max_tries": tries} if tries else {})
        stored = {name: value for name, value in rule.items() if value} | {"waits": parse_waits(self.waits)}
        parse_cadence({"rules": [stored]})
        return stored


class CadenceWidget(forms.Widget):
    """Rows of inputs, always one more than needed. Its value is a list of the rows as entered."""

    template_name = "admin/campaigns/widgets/cadence.html"

    class Media:
        js = ("admin_pages/cadence.js",)

    def __init__(self) -> None:
        super().__init__()
        self.errors: Mapping[int, str] = {}

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[EnteredRule] | None:
        """The rows in which something was entered; None if the form did not have any."""
        if self.value_omitted_from_data(data, files, name):
            return None
        columns = [data.getlist(f"{name}_{part}") for part in PARTS]
        rows = [EnteredRule(*(text.strip() for text in texts)) for texts in zip_longest(*columns, fillvalue="")]
        return [row for row in rows if row != EnteredRule()]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return all(f"{name}_{part}" not in data for part in PARTS)

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        rows = [*rules_of(value), EnteredRule()]
        shown = [self._row(name, row, self.errors.get(place, "")) for place, row in enumerate(rows)]
        return {"widget": {"id": (attrs or {}).get("id", f"id_{name}"), "rows": shown, "rows_max": RULES_MAX}}

    def _row(self, name: str, row: EnteredRule, error: str) -> dict[str, Any]:
        fault = {"aria-invalid": "true"} if error else {}
        texts = zip(PARTS, astuple(row), strict=True)
        return {"inputs": [_INPUTS[part].render(f"{name}_{part}", text, fault) for part, text in texts], "error": error}

    def _render(self, template_name: str, context: dict[str, Any], renderer: Any = None) -> SafeString:
        """The template lies among the project's, where the default form renderer does not look."""
        return super()._render(template_name, context, TemplatesSetting())  # type: ignore[misc,no-any-return]  # unfold ships no usable types


class CadenceField(forms.Field):
    """A cadence as rows. A form that sends no rows at all means the default one."""

    widget: CadenceWidget

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, initial=default_cadence, widget=CadenceWidget(), **options)

    def has_changed(self, initial: Any, data: list[EnteredRule] | None) -> bool:
        return data is not None and data != rules_of(initial)

    def clean(self, value: list[EnteredRule] | None) -> dict[str, Any]:
        if value is None:
            return default_cadence()
        rules, errors = [], {}
        for place, row in enumerate(value):
            try:
                rules.append(row.read())
            except ValueError as error:
                errors[place] = str(error)
        self.widget.errors = errors
        if errors:
            raise forms.ValidationError("Please correct the marked rows.")
        cadence = {"rules": rules}
        try:
            parse_cadence(cadence)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error
        return cadence


def rules_of(value: Any) -> Sequence[EnteredRule]:
    """The rows of a value: a stored cadence, or rows as entered; none of what cannot be read."""
    if isinstance(value, list):
        return value
    try:
        rules = parse_cadence(value).rules
    except ValueError:
        return []
    return [
        EnteredRule(rule.outcome or "", rule.disposition, format_waits(rule.waits), str(rule.max_tries or ""))
        for rule in rules
    ]


def _read_tries(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= TRIES_MAX):
        raise ValueError(f"“{text}” is not a number of attempts; write 1 to {TRIES_MAX}, or nothing.")
    return int(text)
