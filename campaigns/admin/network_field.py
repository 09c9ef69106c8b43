"""Form fields of lists of short texts: networks one in a line, country codes and extensions with commas."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from campaigns.policies.country_codes import read_countries
from campaigns.policies.extension_pool import read_extensions
from campaigns.policies.peer_networks import read_networks


class NetworksField(forms.Field):
    """Addresses and networks, one in a line; empty means from anywhere."""

    def __init__(self, **options: Any) -> None:
        widget = UnfoldAdminTextareaWidget({"rows": 2, "spellcheck": "false"})
        options.setdefault("help_text", "One in a line, such as 203.0.113.0/24; empty: from anywhere")
        super().__init__(required=False, widget=widget, **options)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return _lines(data) != (initial or [])

    def clean(self, value: Any) -> list[str]:
        try:
            return read_networks(_lines(value))
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error


class CountriesField(forms.Field):
    """Country codes with commas between; empty means all that the installation allows."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("help_text", "Codes such as VN, with commas; empty: all that ALLOWED_COUNTRIES names")
        super().__init__(required=False, widget=UnfoldAdminTextInputWidget(), **options)

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return _codes(data) != (initial or [])

    def clean(self, value: Any) -> list[str]:
        try:
            return read_countries(_codes(value))
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error


class ExtensionsField(forms.Field):
    """Extensions with commas between."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, widget=UnfoldAdminTextInputWidget({"placeholder": "101, 102"}), **options)

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return _codes(data) != (initial or [])

    def clean(self, value: Any) -> list[str]:
        try:
            return read_extensions(_codes(value))
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error


def _codes(text: Any) -> list[str]:
    return [code.strip() for code in str(text or "").split(",") if code.strip()]


def _lines(text: Any) -> list[str]:
    return [line.strip() for line in str(text or "").splitlines() if line.strip()]
