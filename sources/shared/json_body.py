"""Parses the JSON of a body, and splits arrays. Raises DecodeError and nothing else."""

from __future__ import annotations

import hashlib
import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypedDict

import msgspec

from sources.errors import DecodeError
from sources.written_number import WrittenNumber

_MSGSPEC_PATH = re.compile(r" - at `\$(.*)`$", re.DOTALL)
_YEAR_2200_MS = 7_258_118_400_000

_decode = msgspec.json.Decoder().decode
_decode_as_written = msgspec.json.Decoder(float_hook=WrittenNumber).decode
_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


def parse_json(body: bytes, *, as_written: bool = False) -> Any:
    """Parse the JSON of a body, which may begin with a byte order mark. Raises DecodeError.

    as_written: numbers with a fraction print as they are written in the body.
    """
    body = body.removeprefix(BOM_UTF8)
    try:
        body.decode()  # msgspec reports the place in a string, not in the body
        return _decode_as_written(body) if as_written else _decode(body)
    except UnicodeDecodeError as error:
        raise DecodeError(f"not UTF-8: byte {error.start} is {body[error.start]:#04x}") from None
    except RecursionError:
        raise DecodeError("nested too deeply") from None
    except ValueError as error:
        raise decode_error(error) from None


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse the JSON object of a body. Raises DecodeError for anything else."""
    content = parse_json(body)
    if not isinstance(content, dict):
        raise DecodeError("expected a JSON object")
    return content


def view(body: bytes) -> Mapping[str, Any]:
    """The whole body as templates see it; anything but an object is under `payload`. Raises DecodeError."""
    content = parse_json(body, as_written=True)
    return content if isinstance(content, dict) else {"payload": content}


def object_with(keys: Iterable[str]) -> Any:
    """The type of a JSON object of which msgspec decodes these keys, where it has them, and skips the others."""
    return TypedDict("_Excerpt", dict.fromkeys(keys, Any), total=False)  # type: ignore[operator]


def split_array(body: bytes) -> list[bytes]:
    """The items of a JSON array, each with its bytes unchanged; any other body is the only item. Raises
    DecodeError."""
    if not body.removeprefix(BOM_UTF8).lstrip(b" \t\r\n").startswith(b"["):
        return [body]
    try:
        return [bytes(item) for item in _decode_array(body.removeprefix(BOM_UTF8))]
    except RecursionError:
        raise DecodeError("nested too deeply") from None
    except ValueError as error:
        raise decode_error(error) from None


def text_at(content: Any, *keys: str) -> str:
    """The text under these keys of nested objects; "" for anything else."""
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content if isinstance(content, str) else ""


def milliseconds(timestamp: object) -> int | None:
    """The ms since 1970 of a time in ISO 8601, which is UTC without an offset; None for anything else."""
    if not isinstance(timestamp, str):
        return None
    try:
        moment = datetime.fromisoformat(timestamp)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return int(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def unix_ms(timestamp: object, *, unit_ms: int) -> int | None:
    """The ms since 1970 of a number of units since 1970; None for anything else, and after the year 2200."""
    if not isinstance(timestamp, int | float) or isinstance(timestamp, bool):
        return None
    return int(timestamp * unit_ms) if 0 <= timestamp * unit_ms < _YEAR_2200_MS else None


def hash_of(body: bytes) -> str:
    """The hash that identifies a body of which nothing else identifies the event."""
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def decode_error(error: Exception, root: str = "$") -> DecodeError:
    """The DecodeError for an error of msgspec, with its path under `root`."""
    message = str(error)
    place = _MSGSPEC_PATH.search(message)
    if place is None:
        return DecodeError(message, path=root)
    return DecodeError(message[: place.start()], path=root + place[1])
