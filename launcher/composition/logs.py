"""Logging: one JSON line an event on stderr, or text for a person at a terminal.

Code logs `log.info("sentence", extra={"action": "receiver_started", "port": 8080})`: `action` is a stable name,
the other extras are fields. A record without an action gets the name of its logger. One call can log many similar
events: where the extra `each` is a list of dicts, a line is written for each of them, with its fields.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

import msgspec

from launcher.composition.log_bounds import MAX_LINE, cut, cut_lines, strip_command
from launcher.config.settings import LogSettings
from runtime.terminal_text import one_line, printable

_QUIET = ("arq", "aiohttp", "asyncio", "redis")
_PLAIN = frozenset({str, int})
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "action", "each"}


def set_up_logs(settings: LogSettings) -> None:
    """Send every logger's events to stderr. Libraries log warnings only."""
    handler = logging.StreamHandler(sys.stderr)
    text = settings.format == "text" or (settings.format == "auto" and sys.stderr.isatty())
    handler.setFormatter(TextFormatter() if text else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # unused: no line shows them
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


class JsonFormatter(logging.Formatter):
    """Writes one JSON object per line: ts, level, action, message, then the fields. Never raises."""

    def __init__(self) -> None:
        super().__init__()
        self._second = 0
        self._date_time = ""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as one line, or as one line for each dict in `each`."""
        event = {
            "ts": self._timestamp(record.created),
            "level": record.levelname.lower(),
            "action": _action(record),
            "message": _message(record),
            **_fields(record),
        }
        line = _json(event)
        each = _each(record)
        lines = [_with(event, line, fields) for fields in each]
        if max(map(len, lines)) > MAX_LINE:
            lines = [
                whole if len(whole) <= MAX_LINE else _shortened({**event, **fields})
                for whole, fields in zip(lines, each, strict=True)
            ]
        return "\n".join(lines)

    def _timestamp(self, at_s: float) -> str:
        """`2026-01-01T12:00:00.123Z`; a second's date and time is written once, however many lines it has."""
        ms = int(at_s * 1000)
        if ms // 1000 != self._second:
            self._second = ms // 1000
            self._date_time = datetime.fromtimestamp(self._second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._date_time}.{ms % 1000:03d}Z"


class TextFormatter(logging.Formatter):
    """`12:30:01 INFO  message  field=value`, always one line but for a traceback. Never raises."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as one line, or as one line for each dict in `each`."""
        fields = _fields(record)
        trace = fields.pop("traceback", None)
        line = f"{_time(record).astimezone():%H:%M:%S} {record.levelname:<7} {_message(record)}"
        lines = [
            cut(one_line("  ".join([line, *_named(fields), *_named(own_fields)])), MAX_LINE)
            for own_fields in _each(record)
        ]
        return "\n".join([*lines, cut_lines(printable(trace))] if trace else lines)


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _action(record: logging.LogRecord) -> str:
    return _shown(getattr(record, "action", record.name))


def _message(record: logging.LogRecord) -> str:
    try:
        return strip_command(record.getMessage())
    except Exception:  # noqa: BLE001 - arguments that do not fit the message
        return _shown(record.msg)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    for name in fields.keys() & {"ts", "level"}:
        fields[f"{name}_"] = fields.pop(name)
    if record.exc_info and record.exc_info[1] is not None:
        fields["error"] = type(record.exc_info[1]).__name__
        fields["traceback"] = _traceback(record.exc_info[1])
    return fields


def _each(record: logging.LogRecord) -> list[dict[str, Any]]:
    """The fields of each line of a record; a record without the extra `each` has one line without such fields."""
    each = vars(record).get("each")
    return each if each and isinstance(each, list) and all(isinstance(fields, dict) for fields in each) else [{}]


def _named(fields: dict[str, Any]) -> list[str]:
    return [f"{_shown(name)}={_shown(value)}" for name, value in fields.items()]


def _json(event: dict[str, Any]) -> str:
    try:
        return _encode(event)
    except Exception:  # noqa: BLE001 - logging must not raise: cycles, NaN, odd keys
        return json.dumps({_shown(key): _shown(value) for key, value in event.items()})


def _with(event: dict[str, Any], line: str, fields: dict[str, Any]) -> str:
    """The line of an event with further fields of its own."""
    if not fields:
        return line
    # Plain fields are appended to the line, in a third of the time: each notification that was sent has such a
    # line.
    if _PLAIN.issuperset(map(type, fields.values())) and event.keys().isdisjoint(fields):
        try:
            return f"{line[:-1]},{_encode_plain(fields)[1:].decode('ascii')}"
        except (UnicodeError, OverflowError, TypeError):
            pass
    return _json({**event, **fields})


def _traceback(error: BaseException) -> str:
    try:
        return strip_command("".join(traceback.format_exception(error)).rstrip())
    except Exception:  # noqa: BLE001 - an exception whose str raises
        return type(error).__name__


_LIMITS = (2000, 1000, 500, 200, 50)
_ALWAYS = ("ts", "level", "action", "message", "error")


def _shortened(event: dict[str, Any]) -> str:
    """The line of an event that is too long: its longest values are cut, and in the end most are omitted."""
    for limit in _LIMITS:
        line = _json({cut(_shown(name), 50): _cut_value(name, value, limit) for name, value in event.items()})
        if len(line) <= MAX_LINE:
            return line
    few = {name: cut(_shown(event[name]), _LIMITS[-1]) for name in _ALWAYS if name in event}
    return _json({**few, "fields_cut": len(event) - len(few)})


def _cut_value(name: str, value: object, limit: int) -> object:
    if name == "traceback":
        return cut_lines(_shown(value), limit)
    if value is None or (isinstance(value, int | float) and abs(value) < _HUGE):
        return value
    return cut(_shown(value), limit)


_HUGE = 2**63


def _shown(value: object) -> str:
    if isinstance(value, bytes | bytearray | memoryview):  # a batch or a body
        return f"<{len(value)} bytes>"
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - see format
        return f"<{type(value).__name__}>"


_encode = json.JSONEncoder(default=_shown, allow_nan=False, separators=(",", ":")).encode
_encode_plain = msgspec.json.Encoder().encode
