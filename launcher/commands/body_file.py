"""A webhook's body from a file, as the commands that need no receiver take it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from broker.queue.batch import RawBody
from launcher.config.config import Config
from launcher.errors import LauncherError

SourceOption = Annotated[str, typer.Option(help="Source that sent it; default: the only one.", show_default=False)]

_MAX_EVENT_CHARS = 200


class GivenError(LauncherError):
    """The command line gives what cannot be a webhook."""

    exit_code = 2


def given_body(config: Config, file: Path, *, source: str, event: str) -> RawBody:
    """The body in `file` (- for standard input), as `source` ("" for the only one) would have sent it now.

    event: as ?event= in the URL gives it. Raises GivenError.
    """
    name = source_name(config, source)
    return RawBody(
        time.time_ns() // 1_000_000, name, event_hint(event), _read(file, config.receiver.max_body_bytes)
    )


def source_name(config: Config, asked: str) -> str:
    """The configured source that was asked for, "" for the only one. Raises GivenError."""
    known = ", ".join(config.sources)
    if not asked and len(config.sources) > 1:
        raise GivenError(f"--source is needed, since several are configured: {known}")
    name = asked or next(iter(config.sources))
    if name not in config.sources:
        raise GivenError(f"--source {name}: no such source; configured: {known}")
    return name


def event_hint(event: str) -> str:
    """The event name, as the receiver takes it in a URL. Raises GivenError."""
    if len(event) > _MAX_EVENT_CHARS or not event.isprintable():
        raise GivenError(
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
        raise GivenError(f"{file}: cannot read it: {error.strerror}") from None


def _up_to(body: BinaryIO, max_bytes: int) -> bytes:
    found = body.read(max_bytes + 1)
    if len(found) > max_bytes:
        raise GivenError(
            f"the body is larger than {max_bytes} bytes, so the receiver would answer 413: "
            "receiver.max_body_bytes sets the limit"
        )
    return found
