"""Limits the length of log lines, and removes the arguments of Redis commands from them. Pure."""

from __future__ import annotations

import re

MAX_LINE = 4095
"""Bytes that a line may have, without its line feed."""

_COMMAND = re.compile(r"Command # \d+ \(.*?\) of pipeline caused error: ", re.DOTALL)


def cut(text: str, limit: int) -> str:
    """The text in at most `limit` bytes of UTF-8, including a note about how much was cut."""
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


def strip_command(text: str) -> str:
    """Remove the command that the driver puts before an error of a pipeline: it may contain a batch."""
    return _COMMAND.sub("", text) if "of pipeline caused error: " in text else text


def _first(lines: list[str], room: int) -> list[str]:
    """The first lines that fit into `room` bytes."""
    taken = []
    for line in lines:
        room -= _bytes(line) + 1
        if room < 0:
            break
        taken.append(line)
    return taken


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
