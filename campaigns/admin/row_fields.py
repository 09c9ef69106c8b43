"""Form fields of several labelled lines for what is stored as one JSON object: calling windows.

Each line has its own input and its own error; how a line reads is told by campaigns/policies/window_text.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.forms.renderers import TemplatesSetting
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from campaigns.policies.calling_window import default_calling_window, is_zone, parse_window
from campaigns.policies.window_text import WEEKDAY_WORDS, format_day, parse_day

LINE_MAX_CHARS = 300
ZONE = "timezone"
# Names that stand for an offset or for an old spelling; people look for a place.
_NO_PLACES = ("Etc/", "SystemV/", "posix/", "right/")


@dataclass(frozen=True, slots=True)
class Row:
    """One line: the key it is kept under, its label, its input, and how its text is read (ValueError if it cannot)."""

    key: str
    label: str
    widget: forms.Widget
    read: Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Layout:
    """How a stored value is laid out in rows. `split` gives the texts by row, none where a value cannot be read."""

    rows: Sequence[Row]
    split: Callable[[Any], Mapping[str, str]]
    join: Callable[[Mapping[str, Any], Mapping[str, str]], dict[str, Any]]
    default: Callable[[], dict[str, Any]]


class RowsWidget(forms.MultiWidget):
    """Labelled inputs below each other. `errors` are texts by row, set when the form is read."""

    template_name = "admin/campaigns/widgets/rows.html"

    def __init__(self, layout: Layout) -> None:
        super().__init__({row.key: row.widget for row in layout.rows})
        self.layout = layout
        self.errors: Mapping[str, str] = {}

    def decompress(self, value: Any) -> list[str]:
        texts = self.layout.split(value)
        return [texts.get(row.key, "") for row in self.layout.rows]

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        """The lines as entered, a list of texts; None if the form did not have them at all."""
        if self.value_omitted_from_data(data, files, name):
            return None
        return [str(text or "").strip() for text in super().value_from_datadict(data, files, name)]

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        texts = value if isinstance(value, list) else self.decompress(value)
        own_id = (attrs or {}).get("id", f"id_{name}")
        rows = [self._row(row, text, name, own_id) for row, text in zip(self.layout.rows, texts, strict=True)]
        return {"widget": {"id": own_id, "rows": rows}}

    def _row(self, row: Row, text: str, name: str, own_id: str) -> dict[str, str]:
        row_id, error = f"{own_id}_{row.key}", self.errors.get(row.key, "")
        attrs = {"id": row_id} | ({"aria-invalid": "true", "aria-describedby": f"{row_id}_error"} if error else {})
        rendered = row.widget.render(f"{name}_{row.key}", text, attrs)
        return {"id": row_id, "label": row.label, "input": rendered, "error": error}

    def _render(self, template_name: str, context: dict[str, Any], renderer: Any = None) -> SafeString:
        """The template lies among the project's, where the default form renderer does not look."""
        return super()._render(template_name, context, TemplatesSetting())  # type: ignore[misc,no-any-return]  # unfold ships no usable types


class RowsField(forms.Field):
    """Lines that together are one JSON object. A form that sends none of them means the layout's default."""

    widget: RowsWidget

    def __init__(self, layout: Layout, **options: Any) -> None:
        super().__init__(required=False, initial=layout.default, widget=RowsWidget(layout), **options)
        self.layout = layout

    def has_changed(self, initial: Any, data: list[str] | None) -> bool:
        return data is not None and data != self.widget.decompress(initial)

    def clean(self, value: list[str] | None) -> dict[str, Any]:
        if value is None:
            return self.layout.default()
        texts = dict(zip((row.key for row in self.layout.rows), value, strict=True))
        values, errors = {}, {}
        for row in self.layout.rows:
            try:
                values[row.key] = _read(row, texts[row.key])
            except ValueError as error:
                errors[row.key] = str(error)
        self.widget.errors = errors
        if errors:
            wrong = ", ".join(row.label for row in self.layout.rows if row.key in errors)
            raise forms.ValidationError(f"Please correct: {wrong}.")
        return self.layout.join(values, texts)


class ZoneSelect(UnfoldAdminSelectWidget):
    """The places of the time zone database, and whatever zone is chosen already."""

    def __init__(self) -> None:
        super().__init__(choices=_zone_choices())

    def optgroups(self, name: str, value: list[str], attrs: dict[str, Any] | None = None) -> list[Any]:
        choices = _zone_choices()
        self.choices = [*choices, *((zone, zone) for zone in value if zone not in dict(choices))]
        groups: list[Any] = super().optgroups(name, value, attrs)
        return groups


def calling_window_field(**options: Any) -> RowsField:
    """Whose clock counts, and a line of hours per weekday."""
    zone = Row(ZONE, "Time zone", ZoneSelect(), _read_zone)
    days = [Row(day, words, _line("closed"), parse_day) for day, words in WEEKDAY_WORDS.items()]
    return RowsField(Layout([zone, *days], _split_window, _join_window, default_calling_window), **options)


def _split_window(value: Any) -> Mapping[str, str]:
    try:
        window = parse_window(value)
    except ValueError:
        return {}
    days = value.get("days", {})
    return {ZONE: window.timezone} | {day: format_day(ranges) for day, ranges in days.items()}


def _join_window(values: Mapping[str, Any], _: Mapping[str, str]) -> dict[str, Any]:
    return {"timezone": values[ZONE], "days": {day: values[day] for day in WEEKDAY_WORDS if values[day]}}


def _read(row: Row, text: str) -> Any:
    if len(text) > LINE_MAX_CHARS:
        raise ValueError(f"This is longer than {LINE_MAX_CHARS} characters.")
    return row.read(text)


def _read_zone(name: str) -> str:
    if name and not is_zone(name):
        raise ValueError(f"There is no time zone “{name}”. Choose one of the list.")
    return name


def _line(placeholder: str) -> forms.TextInput:
    attrs = {"placeholder": placeholder, "maxlength": LINE_MAX_CHARS, "autocomplete": "off", "spellcheck": "false"}
    return UnfoldAdminTextInputWidget(attrs=attrs)  # type: ignore[no-any-return]


@cache
def _zone_choices() -> tuple[tuple[str, str], ...]:
    places = sorted(name for name in available_timezones() if "/" in name and not name.startswith(_NO_PLACES))
    return ("", "The customer's own"), ("UTC", "UTC"), *((name, name.replace("_", " ")) for name in places)
