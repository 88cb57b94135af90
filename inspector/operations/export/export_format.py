"""The format of an export: one JSON object per line, each with everything that Redis has of a dead letter.

    {"v":1,"at_ms":...,"letter":{...},"body":"base64","notes":[[at_ms,by,text],...],"settled":[...]}

A line with `header` instead of `letter` describes the export and holds no letter. It may occur anywhere, so files
can be joined and split between lines.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from broker.dead_letters import MAX_NOTE_CHARS, MAX_NOTES, DeadLetter, ExportedDeadLetter, Note, StoredDeadLetter
from broker.queue.jobs import size_of
from runtime.ids import is_id

VERSION = 1
MAX_LINE_BYTES = 96 * 1024 * 1024
"""Longest line. A letter with the largest body, 64 MiB, is shorter."""

_MAX_BODY_BYTES = 64 * 1024 * 1024
_MAX_SETTLED = 4096
_MAX_JOB_CHARS = 200

Millis = Annotated[int, Meta(ge=1, lt=10**15)]


class LineError(ValueError):
    """A line is not a valid dead letter. The message says why."""


class Header(Struct, frozen=True, kw_only=True):
    """The first line of an export, and the last one if letters were left out."""

    v: int = VERSION
    header: dict[str, Any]


class _Line(Struct, frozen=True, kw_only=True):
    v: int = VERSION
    at_ms: Millis
    letter: DeadLetter
    body: bytes
    notes: tuple[Note, ...] = ()
    settled: tuple[Annotated[int, Meta(ge=0, lt=10**9)], ...] = ()


class _Peek(Struct, frozen=True):
    v: int
    header: Any = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Line).decode
_peek = msgspec.json.Decoder(_Peek).decode


def header_line(about: str, at_ms: int) -> bytes:
    """The first line of an export. `about`: describes which letters it has, without personal data."""
    return _encode(Header(header={"what": "dead letters of Hookline", "of": about, "at_ms": at_ms})) + b"\n"


def unreadable_line(count: int) -> bytes:
    """The last line of an export from which letters are missing, because they could not be read."""
    return (
        _encode(
            Header(
                header={"what": "dead letters that could not be read and are not in this file", "letters": count}
            )
        )
        + b"\n"
    )


def incomplete_line(partitions: str) -> bytes:
    """The last line of an export that lacks the letters of some partitions. `partitions`: their names."""
    header = {"what": "dead letters that are not in this file, because Redis did not answer", "of": partitions}
    return _encode(Header(header=header)) + b"\n"


def format_letter(letter: ExportedDeadLetter) -> bytes:
    """A letter as a line."""
    stored_letter = letter.stored_letter
    line = _Line(
        at_ms=max(1, letter.at_ms),
        letter=stored_letter.letter,
        body=stored_letter.body,
        notes=stored_letter.notes,
        settled=letter.settled,
    )
    return _encode(line) + b"\n"


def parse_letter(line: bytes) -> ExportedDeadLetter | None:
    """The letter of a line; None for a header or an empty line. Raises LineError."""
    if not line.strip():
        return None
    try:
        peeked = _peek(line)
        if peeked.v != VERSION:
            raise LineError(f"it has version {peeked.v}, but this Hookline reads version {VERSION}")
        if peeked.header is not None:
            return None
        read = _decode(line)
        # JSON allows numbers that MessagePack, the format in Redis, cannot hold.
        msgspec.msgpack.encode((read.letter, read.notes))
    except LineError:
        raise
    except (ValueError, OverflowError, RecursionError) as error:
        raise LineError(_reason(line, error)) from None
    _check(read)
    return ExportedDeadLetter(StoredDeadLetter(read.letter, read.body, (), read.notes), read.at_ms, read.settled)


def _reason(line: bytes, error: Exception) -> str:
    if not line.endswith(b"\n") and isinstance(error, msgspec.DecodeError):
        return f"it is cut off or not JSON: {error}"
    return str(error)


def _check(read: _Line) -> None:
    letter = read.letter
    faults = {
        "`letter.id` is not an id": not is_id(letter.id),
        "`letter.stage` must be intake or notify": letter.stage not in ("intake", "notify"),
        "`letter.bodies` is out of range": not (letter.stage == "intake") <= letter.bodies <= 1_000_000,
        "`letter.job` is too long": len(letter.job) > _MAX_JOB_CHARS,
        "`letter.job` is only allowed in stage notify": bool(letter.job) and letter.stage != "notify",
        "`settled` needs `letter.job`": bool(read.settled) and not letter.job,
        "`settled` has an index beyond the end of the job": any(
            index >= size_of(letter.job) for index in read.settled
        ),
        "`settled` has too many entries": len(read.settled) > _MAX_SETTLED,
        "it has too many notes": len(read.notes) > MAX_NOTES,
        "a note is too long": any(len(note.text) > MAX_NOTE_CHARS for note in read.notes),
        "the body is too large": len(read.body) > _MAX_BODY_BYTES,
    }
    for fault, is_so in faults.items():
        if is_so:
            raise LineError(fault)
