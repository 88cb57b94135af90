"""The template of what a configured provider signs: `{timestamp}.{body}`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from msgspec import Struct

from sources.configured.places import header_name
from sources.shared.signature import malformed, required
from sources.signed_request import SignedRequest

MAX_VALUE_CHARS = 1024
"""Limit on a signed header's value."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_NAMES = ("body", "url", "method", "timestamp")


class Piece(Struct, frozen=True):
    """A piece of a template: text, or the name of a placeholder."""

    text: str = ""
    name: str = ""
    """One of body, url, method, timestamp, or `header:NAME` in lower case."""


def parse_signed(template: str) -> tuple[Piece, ...]:
    """Parse a template. Raises ValueError with the first reason why it cannot be used safely."""
    pieces = tuple(_pieces(template))
    names = [piece.name for piece in pieces if piece.name]
    if names.count("body") != 1:
        raise ValueError("it must hold {body} once: else another body would fit the same signature")
    for first, second in pairwise(pieces):
        is_header = first.name.startswith("header:") or second.name.startswith("header:")
        if first.name and second.name and is_header:
            raise ValueError(
                f"{{{first.name}}}{{{second.name}}}: without text between them, bytes could be moved from one to "
                "the other; write a separator that the provider signs too"
            )
    return pieces


def signed_bytes(pieces: tuple[Piece, ...], request: SignedRequest, timestamp: str) -> bytes:
    """The bytes of a request that are signed. Raises SignatureError for a header that is missing or malformed."""
    return b"".join(_value(piece, request, timestamp) for piece in pieces)


def signed_headers(pieces: tuple[Piece, ...]) -> tuple[str, ...]:
    """The headers that a template covers, in lower case."""
    return tuple(piece.name[len("header:") :] for piece in pieces if piece.name.startswith("header:"))


def _pieces(template: str) -> Iterator[Piece]:
    end = 0
    for match in _PLACEHOLDER.finditer(template):
        yield from _text(template[end : match.start()])
        end = match.end()
        kind, _, header = match[1].partition(":")
        if kind == "header":
            yield Piece(name=f"header:{header_name(header)}")
        elif match[1] in _NAMES:
            yield Piece(name=match[1])
        else:
            raise ValueError(
                f"{match[0]} is no placeholder: there are {{body}}, {{url}}, {{method}}, {{timestamp}} and "
                "{header:NAME}"
            )
    yield from _text(template[end:])


def _text(text: str) -> Iterator[Piece]:
    if "{" in text or "}" in text:
        raise ValueError("a brace without its other half: write placeholders like {body}")
    if text:
        yield Piece(text=text)


def _value(piece: Piece, request: SignedRequest, timestamp: str) -> bytes:
    match piece.name:
        case "":
            return piece.text.encode("utf-8", "surrogatepass")
        case "body":
            return request.body
        case "timestamp":
            return timestamp.encode("ascii", "replace")
        case "url":
            return request.url.encode("utf-8", "surrogatepass")
        case "method":
            return request.method.encode("utf-8", "surrogatepass")
    name = piece.name[len("header:") :]
    value = required(request, name)
    if len(value) > MAX_VALUE_CHARS or not (value.isascii() and value.isprintable()):
        raise malformed(name, f"at most {MAX_VALUE_CHARS} printable characters")
    return value.encode()
