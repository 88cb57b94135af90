"""No log line grows without limit or shows what a command carried to Redis. Pure."""

from __future__ import annotations

import re

MAX_LINE = 4095
"""Bytes of a line, without its end."""

_COMMAND = re.compile(r"Command # \d+ \(.*?\) of pipeline caused error: ", re.DOTALL)


def cut(text: str, limit: int) -> str:
    """The text in at most `limit` bytes of UTF-8, and a word about how much is missing, which counts too."""
    size = _bytes(text)
    if size <= limit:
        return text
    note = f"... [{size} bytes, cut]"
    room = max(0, limit - len(note))
    return text.encode("utf-8", "replace")[:room].decode("utf-8", "ignore") + note


def cut_lines(text: str, limit: int = MAX_LINE) -> str:
    """The first and the last lines of a traceback, each cut, in about `limit` bytes."""
    lines = [cut(line, limit // 4) for line in text.splitlines()]
    if sum(map(_bytes, lines)) + len(lines) <= limit:
        return "\n".join(lines)
    head, tail = _first(lines, limit // 4), _first(lines[::-1], limit // 2)[::-1]
    return "\n".join([*head, f"... [{len(lines) - len(head) - len(tail)} lines cut]", *tail])


def without_command(text: str) -> str:
    """Without the command that the driver writes before an error of a pipeline: a batch may stand in it."""
    return _COMMAND.sub("", text) if "of pipeline caused error: " in text else text


def _first(lines: list[str], room: int) -> list[str]:
    """As many of the first lines as there is room for."""
    taken = []
    for line in lines:
        room -= _bytes(line) + 1
        if room < 0:
            break
        taken.append(line)
    return taken


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
