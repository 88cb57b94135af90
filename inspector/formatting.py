"""Formats times, durations, sizes and text from outside for terminals and pages."""

from __future__ import annotations

from datetime import UTC, datetime

from runtime import terminal_text
from runtime.terminal_text import printable

__all__ = ["age", "count_of", "moment", "one_line", "printable", "printable_json", "size", "span"]


def one_line(text: str, length: int = 200) -> str:
    """Text from outside on one line of at most `length` characters, with control characters escaped."""
    line = " ".join(printable(text[: length * 4]).split())
    return line if len(line) <= length else line[: length - 3] + "..."


def printable_json(text: str) -> str:
    """JSON from outside with control characters escaped. It stays JSON with the same value."""
    return terminal_text.printable_json(text.encode("utf-8", "replace")).decode()


def moment(ms: int) -> str:
    """A time in UTC to the second; a dash for 0."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if ms else "-"


def span(ms: int) -> str:
    """A duration in its largest unit: `350 ms`, `12 s`, `3 min`, `5 h`, `9 d`."""
    if ms < 1000:
        return f"{max(0, ms)} ms"
    seconds = ms // 1000
    for length, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def age(ms: int) -> str:
    """A duration to the second, in its largest unit: `less than 1 s`, `12 s`, `3 min`."""
    return span(ms) if ms >= 1000 else "less than 1 s"


def size(number: int) -> str:
    """A number of bytes with a unit: `512 B`, `1.5 KiB`."""
    if number < 1024:
        return f"{number} B"
    value = float(number)
    for unit in ("KiB", "MiB"):
        value /= 1024
        if value < 1024:
            return f"{value:.1f} {unit}"
    return f"{value / 1024:.1f} GiB"


def count_of(number: int, thing: str) -> str:
    """A number and a noun, with an s for the plural: `1 letter`, `2 letters`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
