"""Reads a webhook's body from a file, for the commands that need no receiver."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from broker.queue.batch import RawBody
from launcher.config.config import Config
from launcher.errors import LauncherError
from runtime.clock import now_ms

SourceOption = Annotated[
    str, typer.Option(help="Source of the webhook; default: the only configured one.", show_default=False)
]

_MAX_EVENT_CHARS = 200


class CommandLineError(LauncherError):
    """The arguments of a command cannot be a webhook."""

    exit_code = 2


def body_from_file(config: Config, file: Path, *, source: str, event: str, headers: Sequence[str] = ()) -> RawBody:
    """The body in `file` (- for standard input), as if `source` ("" for the only one) had sent it now.

    event: the name that ?event= would have in the URL. headers: `Name: value` each. Raises CommandLineError.
    """
    name = source_name(config, source)
    content = _read(file, config.receiver.max_body_bytes)
    return RawBody(now_ms(), name, event_hint(event), content, "\n".join(map(_header_line, headers)))


def _header_line(header: str) -> str:
    """A header as it is stored with a body."""
    name, separator, value = header.partition(":")
    if not name.strip() or not separator or not header.isprintable():
        raise CommandLineError(f"--header {header!r}: write it like 'X-GitHub-Event: push'")
    return f"{name.strip().lower()}: {value.strip()}"


def source_name(config: Config, name: str) -> str:
    """The name of a configured source; `name` is the option --source, "" without it. Raises CommandLineError."""
    known = ", ".join(config.sources)
    if not name and len(config.sources) > 1:
        raise CommandLineError(f"--source is needed, since several are configured: {known}")
    name = name or next(iter(config.sources))
    if name not in config.sources:
        raise CommandLineError(f"--source {name}: no such source; configured: {known}")
    return name


def event_hint(event: str) -> str:
    """The event name, checked as the receiver checks it in a URL. Raises CommandLineError."""
    if len(event) > _MAX_EVENT_CHARS or not event.isprintable():
        raise CommandLineError(
            f"the event name: at most {_MAX_EVENT_CHARS} printable characters, or the receiver answers 400"
        )
    return event


def _read(file: Path, max_bytes: int) -> bytes:
    try:
        if str(file) == "-":
            return _up_to(sys.stdin.buffer, max_bytes)
        with file.open("rb") as body:
            return _up_to(body, max_bytes)
    except OSError as error:
        raise CommandLineError(f"{file}: cannot read it: {error.strerror}") from None


def _up_to(body: BinaryIO, max_bytes: int) -> bytes:
    content = body.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise CommandLineError(
            f"the body is larger than {max_bytes} bytes, so the receiver would answer 413: "
            "receiver.max_body_bytes sets the limit"
        )
    return content
