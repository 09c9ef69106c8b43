"""Byte streams of a client that keeps to RFC 6455, or does not: each with the codes that may answer it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from bridge.server.process import MAX_MESSAGE_BYTES

MASK = bytes((0x5A, 0xC3, 0x17, 0x88))
FIN, TEXT, BINARY, PIECE, CLOSE, PING, PONG = 0x80, 0x1, 0x2, 0x0, 0x8, 0x9, 0xA
PROTOCOL_ERROR, NOT_UTF8, TOO_BIG = frozenset({1002}), frozenset({1007}), frozenset({1009})
# Nothing is answered: the peer is gone already.
SILENCE: frozenset[int] = frozenset()


def frame(opcode: int, payload: bytes = b"", *, first: int = FIN, is_masked: bool = True, claimed: int = -1) -> bytes:
    """The bytes of a client's frame; `first` are the bits above its opcode, `claimed` the length it says it has."""
    length = len(payload) if claimed < 0 else claimed
    flag = 0x80 if is_masked else 0
    if length < 126:
        header = bytes((first | opcode, flag | length))
    elif length < 1 << 16:
        header = bytes((first | opcode, flag | 126)) + struct.pack("!H", length)
    else:
        header = bytes((first | opcode, flag | 127)) + struct.pack("!Q", length)
    if not is_masked:
        return header + payload
    repeated = (MASK * (len(payload) // 4 + 1))[: len(payload)]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return header + MASK + masked.to_bytes(len(payload), "big")


def pieces(opcode: int, *parts: bytes) -> bytes:
    """One message in as many frames as there are parts."""
    last = len(parts) - 1
    return b"".join(
        frame(opcode if at == 0 else PIECE, part, first=FIN if at == last else 0) for at, part in enumerate(parts)
    )


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, struct.pack("!H", code) + reason)


@dataclass(frozen=True)
class Case:
    """What a client sends after its call has begun, and the code the bridge closes with.

    `is_cut` ends it by a reset, `is_half` by closing the client's direction only. Where neither is so and the stream
    does not end the call, the client closes with 1000 after it.
    """

    name: str
    stream: bytes
    codes: frozenset[int] = frozenset({1000})
    is_cut: bool = False
    is_half: bool = False


def broken_text() -> Iterator[Case]:
    for name, text in {
        "a byte that starts nothing": b"\xff",
        "an overlong slash": b"\xc0\xaf",
        "a surrogate": b"\xed\xa0\x80",
        "a letter beyond Unicode": b"\xf4\x90\x80\x80",
        "half a letter": b"caf\xc3",
    }.items():
        yield Case(name, frame(TEXT, text), NOT_UTF8)
    yield Case("broken text in pieces", pieces(TEXT, b'{"event":', b"\xff\xfe", b"}"), NOT_UTF8)
    yield Case("a broken reason", close(1000, b"\xff"), NOT_UTF8)


def broken_bits() -> Iterator[Case]:
    for bits in (0x40, 0x20, 0x10, 0x70):
        yield Case(f"text with reserved bits {bits:#x}", frame(TEXT, b"{}", first=FIN | bits), PROTOCOL_ERROR)
    yield Case("a ping with a reserved bit", frame(PING, first=FIN | 0x40), PROTOCOL_ERROR)
    yield Case("a close with a reserved bit", frame(CLOSE, first=FIN | 0x20), PROTOCOL_ERROR)
    for opcode in (3, 4, 7, 0xB, 0xC, 0xF):
        yield Case(f"opcode {opcode:#x}", frame(opcode, b"?"), PROTOCOL_ERROR)
    for name, opcode in {"text": TEXT, "binary": BINARY, "ping": PING, "close": CLOSE}.items():
        yield Case(f"an unmasked {name}", frame(opcode, b"\x03\xe8", is_masked=False), PROTOCOL_ERROR)


def broken_control() -> Iterator[Case]:
    for name, opcode in {"ping": PING, "pong": PONG, "close": CLOSE}.items():
        yield Case(f"a {name} in pieces", frame(opcode, first=0), PROTOCOL_ERROR)
        yield Case(f"a {name} of 126 bytes", frame(opcode, b"\x03\xe8" * 63), PROTOCOL_ERROR)
    yield Case("a close of one byte", frame(CLOSE, b"\x03"), PROTOCOL_ERROR)
    for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535):
        yield Case(f"a close with {code}", close(code), PROTOCOL_ERROR)


def broken_pieces() -> Iterator[Case]:
    yield Case("a piece of nothing", frame(PIECE, b"lost"), PROTOCOL_ERROR)
    yield Case("a first piece of nothing", frame(PIECE, b"lost", first=0), PROTOCOL_ERROR)
    yield Case("text within text", frame(TEXT, b"{", first=0) + frame(TEXT, b"}"), PROTOCOL_ERROR)
    yield Case("binary within binary", frame(BINARY, b"1", first=0) + frame(BINARY, b"2"), PROTOCOL_ERROR)


def sizes() -> Iterator[Case]:
    for name, size, codes in (
        ("one less than allowed", MAX_MESSAGE_BYTES - 1, frozenset({1000})),
        ("as much as is allowed", MAX_MESSAGE_BYTES, frozenset({1000})),
        ("one more than allowed", MAX_MESSAGE_BYTES + 1, TOO_BIG),
    ):
        text = b"x" * size
        yield Case(f"{name}, whole", frame(TEXT, text), codes)
        yield Case(f"{name}, in two", pieces(TEXT, text[:-1], text[-1:]), codes)
        parts = [text[at : at + 4_096] for at in range(0, size, 4_096)]
        yield Case(f"{name}, in many", pieces(BINARY, *parts), codes)
    yield Case("a terabyte announced", frame(TEXT, b"x", claimed=1 << 40), TOO_BIG)
    yield Case("a length with its highest bit", frame(TEXT, b"x", claimed=1 << 63), TOO_BIG | PROTOCOL_ERROR)
    yield Case("five bytes that say sixty", frame(TEXT, b"short", claimed=60), SILENCE, is_cut=True)


def legal() -> Iterator[Case]:
    yield Case("nothing as text and as bytes", frame(TEXT) + frame(BINARY))
    yield Case("pings and stray pongs", frame(PING) + frame(PING, b"?" * 125) + frame(PONG, b"!"))
    yield Case("a ping within pieces", frame(TEXT, b"{", first=0) + frame(PING, b"?") + frame(PIECE, b"}"))
    yield Case("a text of a thousand pieces", pieces(TEXT, *([b"x"] * 1_000)))
    yield Case("pieces of nothing", pieces(TEXT, b"", b"", b"{}", b""))
    yield Case("nine times no JSON", frame(TEXT, b"{") * 9)
    yield Case("ten times no JSON", frame(TEXT, b"{") * 10, frozenset({4400}))
    for code in (1000, 1001, 3000, 4999):
        yield Case(f"a close with {code}", close(code), frozenset({code}))
    yield Case("a close without a code", frame(CLOSE), frozenset({1005, 1000}))
    yield Case("words after the close", close(1000) + frame(TEXT, b"{}"))


def breaks() -> Iterator[Case]:
    for name, stream in {
        "": b"",
        " in a header": frame(TEXT, b"x" * 300)[:3],
        " in a text": frame(TEXT, b"{}")[:-1],
    }.items():
        yield Case(f"a reset{name}", stream, SILENCE, is_cut=True)
        yield Case(f"half a close{name}", stream, frozenset({1000, 1002, 1006, 1011}), is_half=True)


CASES = tuple(chain(broken_text(), broken_bits(), broken_control(), broken_pieces(), sizes(), legal(), breaks()))
