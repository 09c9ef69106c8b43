"""Form fields of lists of short texts: networks one in a line, country codes and extensions with commas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from campaigns.policies.country_codes import read_countries
from campaigns.policies.extension_pool import read_extensions
from campaigns.policies.peer_networks import read_networks


class _ListField(forms.Field):
    """A list of texts: `split` takes apart what was typed, `joint` shows it, `read` judges it and says what is bad."""

    def __init__(
        self,
        split: Callable[[Any], list[str]],
        joint: str,
        read: Callable[[list[str]], list[str]],
        widget: forms.Widget,
        **options: Any,
    ) -> None:
        super().__init__(required=False, widget=widget, **options)
        self._split, self._joint, self._read = split, joint, read

    def prepare_value(self, value: Any) -> Any:
        return self._joint.join(value) if isinstance(value, list) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self._split(data) != (initial or [])

    def clean(self, value: Any) -> list[str]:
        try:
            return self._read(self._split(value))
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error


class NetworksField(_ListField):
    """Addresses and networks, one in a line; empty means from anywhere."""

    def __init__(self, **options: Any) -> None:
        widget = UnfoldAdminTextareaWidget({"rows": 2, "spellcheck": "false"})
        options.setdefault("help_text", "One in a line, such as 203.0.113.0/24; empty: from anywhere")
        super().__init__(_lines, "\n", read_networks, widget, **options)


class CountriesField(_ListField):
    """Country codes with commas between; empty means all that the installation allows."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("help_text", "Codes such as VN, with commas; empty: all that ALLOWED_COUNTRIES names")
        super().__init__(_codes, ", ", read_countries, UnfoldAdminTextInputWidget(), **options)


class ExtensionsField(_ListField):
    """Extensions with commas between."""

    def __init__(self, **options: Any) -> None:
        widget = UnfoldAdminTextInputWidget({"placeholder": "101, 102"})
        super().__init__(_codes, ", ", read_extensions, widget, **options)


def _codes(text: Any) -> list[str]:
    return [code.strip() for code in str(text or "").split(",") if code.strip()]


def _lines(text: Any) -> list[str]:
    return [line.strip() for line in str(text or "").splitlines() if line.strip()]
