"""The form field of a list of addresses and networks, one in a line."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget

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


def _lines(text: Any) -> list[str]:
    return [line.strip() for line in str(text or "").splitlines() if line.strip()]
