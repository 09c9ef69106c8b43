"""Looking a host name up within a time-out, which the system's resolver does not know."""

from __future__ import annotations

import contextlib
import socket
import threading
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias

# As socket.getaddrinfo gives them: family, kind, protocol, canonical name, address.
AddressInfo: TypeAlias = tuple[Any, Any, int, str, Any]


def look_up(host: str, port: int, *, timeout_s: float) -> list[AddressInfo]:
    """The addresses of `host` for a stream connection.

    The resolver runs in a thread that is left behind when it takes too long; its own limits end it.

    Raises:
        TimeoutError: no answer in time.
        OSError, UnicodeError: no such name.
    """
    with contextlib.suppress(socket.gaierror):
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    answers: SimpleQueue[list[AddressInfo] | Exception] = SimpleQueue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=ask, name="look-up", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout_s)
    except Empty:
        raise TimeoutError("the name was not resolved in time") from None
    if isinstance(answer, Exception):
        raise answer
    return answer
