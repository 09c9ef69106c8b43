"""The form field of a parameter template: rows of name and value, and the placeholders the chosen lists offer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from django import forms
from django.forms.renderers import TemplatesSetting
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from campaigns.models import CustomerList
from campaigns.policies.parameter_template import CUSTOMER_FIELDS, PARAMETERS_MAX, TEXT_MAX_CHARS, parse_template

NAME_MAX_CHARS = 40
_TYPING = {"autocomplete": "off", "spellcheck": "false"}
NAME_INPUT = UnfoldAdminTextInputWidget({"maxlength": NAME_MAX_CHARS, "aria-label": "Name", **_TYPING})
VALUE_INPUT = UnfoldAdminTextareaWidget({"maxlength": TEXT_MAX_CHARS, "aria-label": "Value", "rows": 1, **_TYPING})


@dataclass(frozen=True, slots=True)
class Placeholder:
    """What may stand in a value. `only_in` names the chosen lists that have the column, if not all of them do."""

    text: str
    only_in: tuple[str, ...] = ()


def placeholders_for(lists: Iterable[CustomerList]) -> list[Placeholder]:
    """Everything a template may use with these lists, the customer's own fields first."""
    chosen = list(lists)
    columns = dict.fromkeys(column for customer_list in chosen for column in customer_list.columns)
    own = [Placeholder(f"{{{{ customer.{name} }}}}") for name in CUSTOMER_FIELDS]
    return own + [_column_placeholder(column, chosen) for column in columns]


def _column_placeholder(column: str, lists: Sequence[CustomerList]) -> Placeholder:
    having = tuple(customer_list.name for customer_list in lists if column in customer_list.columns)
    return Placeholder(f"{{{{ attributes.{column} }}}}", () if len(having) == len(lists) else having)


class ParametersWidget(forms.Widget):
    """Pairs of inputs, always one more than needed. Its value is a list of (name, value) as entered."""

    template_name = "admin/campaigns/widgets/parameters.html"

    class Media:
        js = ("admin_pages/parameters.js",)

    def __init__(self) -> None:
        super().__init__()
        self.errors: Mapping[int, str] = {}
        self.placeholders: Sequence[Placeholder] = ()
        self.placeholders_url = ""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[tuple[str, str]] | None:
        """The rows in which something was entered; None if the form did not have any."""
        if self.value_omitted_from_data(data, files, name):
            return None
        names, values = data.getlist(f"{name}_name"), data.getlist(f"{name}_value")
        rows = [(key.strip(), _as_stored(value)) for key, value in zip_longest(names, values, fillvalue="")]
        return [(key, value) for key, value in rows if key or value.strip()]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return f"{name}_name" not in data and f"{name}_value" not in data

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        pairs = [*pairs_of(value), ("", "")]
        return {
            "widget": {
                "id": (attrs or {}).get("id", f"id_{name}"),
                "rows": [self._row(name, key, text, self.errors.get(at, "")) for at, (key, text) in enumerate(pairs)],
                "rows_max": PARAMETERS_MAX,
                "placeholders_url": self.placeholders_url,
            },
            "placeholders": self.placeholders,
        }

    def _row(self, name: str, key: str, text: str, error: str) -> dict[str, str]:
        fault = {"aria-invalid": "true"} if error else {}
        return {
            "name_input": NAME_INPUT.render(f"{name}_name", key, fault),
            "value_input": VALUE_INPUT.render(f"{name}_value", text, fault),
            "error": error,
        }

    def _render(self, template_name: str, context: dict[str, Any], renderer: Any = None) -> SafeString:
        """The template lies among the project's, where the default form renderer does not look."""
        return super()._render(template_name, context, TemplatesSetting())  # type: ignore[misc,no-any-return]  # unfold ships no usable types


class ParametersField(forms.Field):
    """A parameter template as rows. A form that sends no rows at all means no parameters."""

    widget: ParametersWidget

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, widget=ParametersWidget(), **options)

    def has_changed(self, initial: Any, data: list[tuple[str, str]] | None) -> bool:
        return data is not None and data != pairs_of(initial)

    def clean(self, value: list[tuple[str, str]] | None) -> dict[str, str]:
        pairs = value or []
        errors = {place: text for place, text in enumerate(_faults(pairs)) if text}
        self.widget.errors = errors
        if errors:
            wrong = ", ".join(pairs[place][0] or "the value without a name" for place in errors)
            raise forms.ValidationError(f"Please correct: {wrong}.")
        template = dict(pairs)
        try:
            parse_template(template)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error
        return template


def pairs_of(value: Any) -> list[tuple[str, str]]:
    """The rows of a value: a stored template, or rows as entered; none of what cannot be read."""
    if isinstance(value, Mapping):
        return [(str(name), str(text)) for name, text in value.items()]
    return list(value) if isinstance(value, list) else []


def _as_stored(text: str) -> str:
    """A textarea's text without the carriage returns that forms put into it."""
    return text.replace("\r\n", "\n")


def _faults(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """What is wrong with each row; empty texts where nothing is."""
    return [_fault(name, text, [other for other, _ in pairs[:place]]) for place, (name, text) in enumerate(pairs)]


def _fault(name: str, text: str, before: Sequence[str]) -> str:
    if not name:
        return "Give this value a name."
    if name in before:
        return f"The name {name} stands above already."
    try:
        parse_template({name: text})
    except ValueError as error:
        return str(error)
    return ""
