"""Changes that proxies and frameworks make to a body, undone one at a time. Pure.

JSON is written again from its tokens, so that numbers stay as they are written.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from itertools import product

MAX_BYTES = 1 << 20
"""Larger bodies are not written again."""

_MAX_DEPTH = 100

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{},:]|[^\s\[\]{},:"]+')


def reencodings(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Yields (what was done to the body that was signed, that body), each once and never the body itself."""
    seen = {body}
    if len(body) > MAX_BYTES:
        return
    for change, variant in _variants(body):
        if variant not in seen:
            seen.add(variant)
            yield change, variant


def _variants(body: bytes) -> Iterator[tuple[str, bytes]]:
    yield "a line feed at the end was removed", body + b"\n"
    yield "CR LF at the end was removed", body + b"\r\n"
    yield "white space at the ends was added", body.strip()
    yield "line ends were changed from LF to CR LF", body.replace(b"\r\n", b"\n")
    yield "line ends were changed from CR LF to LF", body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    yield "a byte order mark was added", body.removeprefix(b"\xef\xbb\xbf")
    yield "a byte order mark was removed", b"\xef\xbb\xbf" + body
    try:
        text = body.decode()
    except UnicodeDecodeError:
        yield "its characters were changed from UTF-8 to Latin-1", body.decode("latin-1").encode()
        return
    with contextlib.suppress(UnicodeEncodeError):
        yield "its characters were encoded as UTF-8 twice, or changed from Latin-1", text.encode("latin-1")
    yield from _of_json(text)


def _of_json(text: str) -> Iterator[tuple[str, bytes]]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return
    for (spacing, write), (escapes, escape) in product(_SPACINGS.items(), _ESCAPES.items()):
        pieces = [escape(piece) if piece.startswith('"') else piece for piece in _TOKEN.findall(text)]
        written = write(pieces)
        if written is not None:
            yield f"the JSON was written again; signed was the one {spacing}{escapes}", _bytes(written)
    ordered = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    yield "the JSON was written again; signed was the one with sorted keys", _bytes(ordered)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _compact(pieces: list[str]) -> str:
    return "".join(pieces)


def _spaced(pieces: list[str]) -> str:
    return "".join(f"{piece} " if piece in ",:" else piece for piece in pieces)


def _indented(width: int) -> Callable[[list[str]], str | None]:
    def write(pieces: list[str]) -> str | None:
        written: list[str] = []
        depth = 0
        for place, piece in enumerate(pieces):
            is_empty = piece in "]}" and pieces[place - 1] in "[{"
            if piece in "]}":
                depth -= 1
                written.append("" if is_empty else "\n" + " " * (width * depth))
            written.append(piece)
            if piece in "[{":
                depth += 1
            if depth > _MAX_DEPTH:
                return None
            opens = piece in "[{" and pieces[place + 1 : place + 2] not in (["]"], ["}"])
            if piece == "," or opens:
                written.append("\n" + " " * (width * depth))
            if piece == ":":
                written.append(" ")
        return "".join(written)

    return write


def _ascii(piece: str) -> str:
    return "".join(char if char.isascii() else json.dumps(char)[1:-1] for char in piece)


def _unicode(piece: str) -> str:
    return json.dumps(json.loads(piece, strict=False), ensure_ascii=False)


def _slashes(piece: str) -> str:
    return piece.replace("\\/", "/").replace("/", "\\/")


_SPACINGS: dict[str, Callable[[list[str]], str | None]] = {
    "without white space": _compact,
    "with a space after commas and colons": _spaced,
    "indented by 2": _indented(2),
    "indented by 4": _indented(4),
}
_ESCAPES: dict[str, Callable[[str], str]] = {
    "": lambda piece: piece,
    " and characters beyond ASCII escaped": _ascii,
    " and characters beyond ASCII as they are": _unicode,
    " and slashes escaped": _slashes,
    " and slashes and characters beyond ASCII escaped": lambda piece: _ascii(_slashes(piece)),
}
