"""Filters as an address or a form tells them, there and back. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

from inspector.operations import Filter
from inspector.operations.search import EXACT

MAX_CHARS = 500
"""Of one field: no name is longer."""

_LATEST_MS = 253_402_300_799_999


class FilterError(ValueError):
    """A field of a filter cannot be read: which, and why."""


def filter_of(given: Mapping[str, str]) -> Filter:
    """The filter that the fields of an address or a form tell. Raises FilterError."""
    exact = {name: _text(given, name) for name in EXACT}
    return Filter(
        **exact,
        min_attempts=_number(given, "min_attempts", 0),
        max_attempts=_number(given, "max_attempts", -1),
        since_ms=_time(given, "since", 0),
        until_ms=_time(given, "until", 999),
        search=_text(given, "search"),
    )


def fields_of(wanted: Filter) -> dict[str, str]:
    """The fields that narrow it, as `filter_of` reads them."""
    told = {name: str(value) for name, value in wanted.given().items() if not name.endswith("_ms")}
    if wanted.since_ms:
        told["since"] = _clock(wanted.since_ms, 0)
    if wanted.until_ms:
        told["until"] = _clock(wanted.until_ms, 999)
    return told


def address_of(path: str, fields: Mapping[str, str]) -> str:
    """A link to a page with a filter and more; what is empty is left out."""
    query = urlencode([(name, value) for name, value in fields.items() if value])
    return f"{path}?{query}" if query else path


def _text(given: Mapping[str, str], name: str) -> str:
    value = given.get(name, "").strip()
    if len(value) > MAX_CHARS:
        raise FilterError(f"{name} is longer than {MAX_CHARS} characters")
    return value.encode("utf-8", "replace").decode()  # lone surrogates, which Redis would not take


def _number(given: Mapping[str, str], name: str, missing: int) -> int:
    value = given.get(name, "").strip()
    if not value:
        return missing
    if not (value.isascii() and value.isdigit() and len(value) < 7):
        raise FilterError(f"{name.replace('_', ' ')} must be a number, 0 or more")
    return int(value)


def _time(given: Mapping[str, str], name: str, rest_ms: int) -> int:
    """Ms since 1970 as they are, or a time in UTC to the second, of which the end counts."""
    value = given.get(name, "").strip()
    if not value:
        return 0
    if value.isascii() and value.isdigit() and len(value) < 16:
        return min(int(value), _LATEST_MS)
    try:
        at = datetime.fromisoformat(value)
        ms = int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()) * 1000 + rest_ms
    except (ValueError, OverflowError):
        raise FilterError(f"{name} must be a time, like 2026-01-31T12:00") from None
    if ms <= 0:
        raise FilterError(f"{name} must be a time after 1970")
    return ms


def _clock(ms: int, rest_ms: int) -> str:
    if ms % 1000 != rest_ms or ms > _LATEST_MS:
        return str(ms)
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def input_time(ms: int) -> str:
    """A time as the field of a form shows it; "" for none."""
    return datetime.fromtimestamp(min(ms, _LATEST_MS) // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") if ms else ""
