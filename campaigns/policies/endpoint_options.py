"""What may stand in a stream endpoint's options: what its protocol knows, each of its own type."""

from __future__ import annotations

from typing import Any, Final

from telephony.errors import LocalProtocolError
from telephony.protocols.events import Handshake
from telephony.protocols.registry import PROTOCOLS

MAX_TEXT_CHARS: Final = 200
_WORDS: Final = {str: "a text", int: "a whole number", bool: "true or false"}


def check_options(protocol: str, options: Any) -> dict[str, Any]:
    """The options, if the protocol knows them all.

    Raises:
        ValueError: it does not; the text says what to change.
    """
    if not isinstance(options, dict):
        raise ValueError("Write a JSON object, for example {}.")  # noqa: TRY004  a person's input
    spec = PROTOCOLS.get(protocol)
    known = spec.endpoint_options if spec is not None else {}
    if unknown := sorted(options.keys() - known.keys()):
        names = ", ".join(sorted(known)) or "none"
        raise ValueError(f"{', '.join(unknown)[:100]}: no option of this protocol. It knows: {names}.")
    for name, value in options.items():
        if type(value) is not known[name]:
            raise ValueError(f"{name}: must be {_WORDS[known[name]]}.")
        if isinstance(value, str) and (len(value) > MAX_TEXT_CHARS or not value.isprintable()):
            raise ValueError(f"{name}: at most {MAX_TEXT_CHARS} printable characters.")
    if spec is not None:
        try:
            spec.codec(Handshake(), options)
        except LocalProtocolError as error:
            raise ValueError(f"{error}.") from error
    return dict(options)
