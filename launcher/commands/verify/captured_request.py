"""Reads a captured request: the text of `curl -v`, a raw HTTP request, a HAR file, or a JSON file."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from multidict import CIMultiDict

from launcher.errors import LauncherError

_REQUEST_LINE = re.compile(r"([A-Z]{3,10}) (\S+)(?: HTTP/[0-9.]+)?")
_SENT = re.compile(r"^> ?", re.MULTILINE)
_FORMATS = "write it as method, url, headers and body in JSON, as HAR, or as the text of curl -v"


class CaptureError(LauncherError):
    """A file with a captured request cannot be read."""

    exit_code = 2


class CapturedRequest(Struct, frozen=True):
    """A request that was recorded somewhere."""

    method: str
    url: str
    """The URL, or the path and query alone."""

    headers: CIMultiDict[str]
    body: bytes | None
    """The body, or None if the file does not hold it."""

    received_s: float | None = None
    """The time of the request (s since 1970) if the file has it."""


def read_captured(file: Path, body_file: Path | None, max_bytes: int) -> CapturedRequest:
    """Read a captured request. body_file: replaces its body. Raises CaptureError."""
    captured = parse_captured(_content(file, 4 * max_bytes), str(file))
    if body_file is not None:
        captured = msgspec.structs.replace(captured, body=_content(body_file, max_bytes))
    if captured.body is not None and len(captured.body) > max_bytes:
        raise CaptureError(f"{file}: the body is larger than receiver.max_body_bytes, {max_bytes}")
    return captured


def parse_captured(content: bytes, name: str) -> CapturedRequest:
    """Parse a captured request; name: the file's name for errors. Raises CaptureError."""
    try:
        if content.lstrip().startswith(b"{"):
            return _from_json(msgspec.json.decode(content))
        return _from_text(content)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, OverflowError):
        raise CaptureError(f"{name}: not a captured request: {_FORMATS}") from None


def _content(file: Path, max_bytes: int) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(max_bytes + 1)
    except OSError as error:
        raise CaptureError(f"{file}: cannot read it: {error.strerror}") from None
    if len(content) > max_bytes:
        raise CaptureError(f"{file}: larger than {max_bytes} bytes, so the receiver would not accept it")
    return content


def _from_json(content: Any) -> CapturedRequest:
    if "log" in content:
        entries = content["log"]["entries"]
        entry = next((entry for entry in entries if entry["request"]["method"] == "POST"), entries[0])
        request, data = entry["request"], entry["request"].get("postData") or {}
        body = _body(data.get("text"), data.get("encoding") == "base64")
        received_s = _seconds(entry.get("startedDateTime"))
    else:
        request = content
        encoded = content.get("body_base64")
        body = _body(content.get("body") if encoded is None else encoded, encoded is not None)
        received_s = _seconds(content.get("received_at"))
    headers = CIMultiDict[str]()
    for name, value in _pairs(request.get("headers") or {}):
        headers.add(_text(name), _text(value))
    return CapturedRequest(_text(request.get("method", "POST")), _text(request["url"]), headers, body, received_s)


def _pairs(headers: Any) -> Iterable[tuple[Any, Any]]:
    """The names and values of a table, of a list of pairs, or of a list of tables as in HAR."""
    if isinstance(headers, dict):
        return [(name, one) for name, value in headers.items() for one in _listed(value)]
    return [(item["name"], item["value"]) if isinstance(item, dict) else (item[0], item[1]) for item in headers]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _body(text: Any, is_base64: bool) -> bytes | None:
    if text is None:
        return None
    if is_base64:
        return b64decode(_text(text), validate=True)
    # A body that was recorded as JSON is not the text that was signed.
    return _text(text).encode("utf-8", "surrogatepass")


def _from_text(content: bytes) -> CapturedRequest:
    """A raw request, or the lines of `curl -v` that begin with `>`, which do not hold the body."""
    text = content.decode("utf-8", "surrogateescape")
    is_curl = _SENT.search(text) is not None
    if is_curl:
        head = "\n".join(line[2:] for line in text.splitlines() if line.startswith(("> ", ">")))
        body = None
    else:
        head, separator, rest = text.replace("\r\n", "\n", 1).partition("\n\n")
        if "\r\n\r\n" in text:
            head, separator, rest = text.partition("\r\n\r\n")
        body = rest.encode("utf-8", "surrogateescape") if separator else None
    first, *lines = [line.strip("\r") for line in head.splitlines() if line.strip()]
    match = _REQUEST_LINE.fullmatch(first)
    if match is None:
        raise ValueError("no request line")
    headers = CIMultiDict[str]()
    for line in lines:
        name, separator, value = line.partition(":")
        if separator:
            headers.add(name.strip(), value.strip())
    return CapturedRequest(match[1], match[2], headers, body)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("expected text")
    return value


def _seconds(moment: Any) -> float | None:
    return None if moment is None else parse_moment(str(moment))


def parse_moment(text: str) -> float:
    """The seconds since 1970 of a number of seconds, or of a time in ISO 8601, UTC by default. Raises
    ValueError."""
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
