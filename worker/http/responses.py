"""Reads HTTP answers of other servers: their status, and when to retry. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from msgspec import Struct

PASSING = frozenset({408, 409, 421, 423, 425, 429})
"""The 4xx that another attempt may change (RFC 9110, RFC 4918, RFC 8470, RFC 6585); so may every 5xx. 409 is also
the answer to a second request with an Idempotency-Key while the first one is still processed."""

_STATUS_LINE = re.compile(rb"[\r\n]*HTTP/\d+(?:\.\d+)?[ \t]+([1-9]\d\d)(?=[ \t\r\n])")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_HEADER = re.compile(rb"^(Retry-After|Date)[ \t]*:[ \t]*(.*?)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_SECONDS = re.compile(r"\d+(?:\.\d*)?|\.\d+", re.ASCII)


class Head(Struct, frozen=True):
    """The readable part of an answer whose head is not valid HTTP."""

    status: int
    headers: Mapping[str, str]
    """The headers Retry-After and Date, if the answer has them."""

    rest: bytes
    """The bytes after the head."""


def head_of(received: bytes) -> Head | None:
    """The head of the final answer in the received bytes; None while its status is not known."""
    while status_line := _STATUS_LINE.match(received):
        end = _HEAD_END.search(received, status_line.end())
        lines, rest = (received[: end.start()], received[end.end() :]) if end else (received, b"")
        status = int(status_line[1])
        if status == 101 or status >= 200:
            headers = {name.decode().title(): value.decode("latin-1") for name, value in _HEADER.findall(lines)}
            return Head(status, headers, rest)
        received = rest
    return None


def retry_after_s(headers: Mapping[str, str], *, now_s: float) -> float:
    """Seconds that the header Retry-After asks for; 0 where it is missing or invalid.

    Seconds may have decimals, and of a list the first counts. A date (RFC 9110) is compared with the answer's own
    Date if it has one, since both come from the same clock, else with `now_s`.
    """
    value = headers.get("Retry-After", "").strip()
    seconds = _SECONDS.fullmatch(value.split(",")[0].rstrip())
    if seconds:
        return float(seconds[0])
    until_s = _time_of(value)
    if until_s is None:
        return 0.0
    answered_s = _time_of(headers.get("Date", ""))
    return max(0.0, until_s - (now_s if answered_s is None else answered_s))


def _time_of(date: str) -> float | None:
    """An HTTP date as seconds since 1970."""
    try:
        moment = parsedate_to_datetime(date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
