from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.composition.logs import JsonFormatter, TextFormatter, set_up_logs
from launcher.config.settings import LogSettings
from sources.secret import Secret


class Hostile:
    def __str__(self) -> str:
        raise ValueError("no")

    __repr__ = __str__


def record(message: object = "said", *args: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("hookline.test", logging.INFO, __file__, 1, message, args, None)
    vars(made).update(extra)
    return made


@pytest.fixture
def stderr(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield lambda: capsys.readouterr().err
    root.handlers[:] = handlers
    root.setLevel(level)


def test_an_event_is_one_json_line_with_its_fields(stderr: Callable[[], str]) -> None:
    set_up_logs(LogSettings(format="json"))

    logging.getLogger("hookline.test").info("said %s", "this", extra={"action": "said", "port": 8080})

    line = json.loads(stderr())
    assert line.pop("ts").endswith("Z")
    assert line == {"level": "info", "action": "said", "message": "said this", "port": 8080}


def test_a_group_of_events_is_one_line_each(stderr: Callable[[], str]) -> None:
    each = [{"key": "a", "took_ms": 1}, {"key": "b", "took_ms": 2}]
    for style in ("json", "text"):
        set_up_logs(LogSettings(format=style))
        logging.getLogger("hookline.test").info("sent", extra={"action": "sent", "each": each})
        first, second = stderr().splitlines()
        if style == "json":
            assert "each" not in json.loads(first)
            assert [json.loads(line)["key"] for line in (first, second)] == ["a", "b"]
            assert json.loads(second)["action"] == "sent"
        else:
            assert first.endswith("sent  key=a  took_ms=1")
            assert second.endswith("sent  key=b  took_ms=2")


@pytest.mark.parametrize(
    "fields",
    [
        {"key": "a", "took_ms": 1},
        {"key": '\u00fc \ud800 "quoted"\n', "took_ms": 1},
        {"took_ms": 2**70},
        {"hidden": Secret("well-hidden")},
        {"message": "its own", "key": "a"},
        {"port": 1},
        {},
    ],
)
def test_each_event_of_a_group_has_the_line_that_it_would_have_alone(fields: dict[str, Any]) -> None:
    together = JsonFormatter().format(record("said", port=8080, each=[fields, fields]))

    once, again = together.split("\n")
    assert once == again
    assert once.isascii()
    alone = json.loads(JsonFormatter().format(record("said", port=8080)))
    shown = {name: value if isinstance(value, str | int) else str(value) for name, value in fields.items()}
    logged = json.loads(once, parse_constant=pytest.fail)
    assert {**logged, "ts": ""} == {**alone, **shown, "ts": ""}
    assert once.count('"message"') == 1


def test_events_below_the_level_and_logs_of_libraries_are_left_out(stderr: Callable[[], str]) -> None:
    set_up_logs(LogSettings(level="info", format="text"))

    logging.getLogger("hookline.test").debug("detail")
    logging.getLogger("arq.worker").info("chatter")
    logging.getLogger("aiohttp.access").info("chatter")
    logging.getLogger("arq.worker").warning("trouble")

    output = stderr()
    assert "detail" not in output
    assert "chatter" not in output
    assert "trouble" in output


def test_an_output_that_is_not_a_terminal_gets_json(stderr: Callable[[], str]) -> None:
    set_up_logs(LogSettings())

    logging.getLogger("hookline.test").warning("said")

    assert json.loads(stderr())["message"] == "said"


def test_text_cannot_forge_a_second_line() -> None:
    line = TextFormatter().format(record("said\n00:00:00 ERROR  forged\x1b[2J", path="a\r\nb"))

    assert "\n" not in line
    assert "\r" not in line
    assert "\x1b" not in line


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_an_exception_is_logged_with_its_traceback(formatter: logging.Formatter) -> None:
    made = record()
    try:
        raise KeyError("gone")
    except KeyError:
        made.exc_info = sys.exc_info()

    assert "KeyError: 'gone'" in formatter.format(made)


def test_a_secret_is_never_shown() -> None:
    for formatter in (JsonFormatter(), TextFormatter()):
        line = formatter.format(record("used %s", Secret("well-hidden"), secret=Secret("well-hidden")))
        assert "well-hidden" not in line


def test_a_number_that_json_does_not_have_is_written_as_text() -> None:
    line = JsonFormatter().format(record(ratio=float("nan")))

    assert json.loads(line, parse_constant=pytest.fail)["ratio"] == "nan"


cycle: list[Any] = []
cycle.append(cycle)
values = st.recursive(
    st.one_of(
        st.none(),
        st.text(),
        st.binary(),
        st.floats(),
        st.integers(),
        st.builds(Hostile),
        st.just(cycle),
        st.just({1: 2}),
    ),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@given(values, st.lists(values, max_size=2), st.dictionaries(st.text(max_size=8), values, max_size=3))
def test_a_formatter_never_raises_and_json_stays_json(
    message: object, args: list[object], extra: dict[str, object]
) -> None:
    fields = {name: value for name, value in extra.items() if name not in vars(record())}
    made = record(message, **fields)
    made.args = tuple(args)

    assert isinstance(json.loads(JsonFormatter().format(made), parse_constant=pytest.fail), dict)
    assert isinstance(TextFormatter().format(made), str)


BATCH = "Ada Lovelace of 12 Main Street " * 40_000


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
@pytest.mark.parametrize(
    "made",
    [
        record("said %s", BATCH),
        record("\U0001f600" * 5_000),
        record("said", reason=BATCH, other="\u00fc" * 9_000, port=8080),
        record("said", **{f"field_{number}": BATCH for number in range(100)}),
        record("said", each=[{"key": BATCH}, {"key": "a"}]),
        record("said", huge=10**4200),
        record("said", nested={"list": [BATCH] * 3}),
        record("said", **{"n" * 9_000: 1}),
    ],
    ids=range(8),
)
def test_no_line_is_longer_than_4_kb_and_says_that_it_was_cut(
    formatter: logging.Formatter, made: logging.LogRecord
) -> None:
    lines = formatter.format(made).split("\n")

    assert max(len(line.encode()) + 1 for line in lines) <= 4096
    assert "cut" in lines[0]
    if isinstance(formatter, JsonFormatter):
        records = [json.loads(line, parse_constant=pytest.fail) for line in lines]
        assert {line["action"] for line in records} == {"hookline.test"}


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_no_traceback_contains_the_batch_of_a_command_and_its_end_is_kept(formatter: logging.Formatter) -> None:
    made = record("a batch could not be written")
    try:
        try:
            raise ValueError(f"Command # 1 (EVALSHA 0 {BATCH}) of pipeline caused error: ('NOPERM',)")
        except ValueError as cause:
            raise RuntimeError("the last words") from cause
    except RuntimeError:
        made.exc_info = sys.exc_info()
    text = formatter.format(made)

    assert "Lovelace" not in text
    assert "NOPERM" in text
    assert "the last words" in text
    assert max(len(line.encode()) + 1 for line in text.split("\n")) <= 4096


def test_a_long_traceback_keeps_its_beginning_and_its_end() -> None:
    made = record("failed")

    error: BaseException | None = None
    for number in range(60):
        try:
            raise RuntimeError(f"cause {number}") from error
        except RuntimeError as caught:
            error = caught
    try:
        raise RuntimeError("the last words " + "x" * 9_000) from error
    except RuntimeError:
        made.exc_info = sys.exc_info()
    for formatter in (JsonFormatter(), TextFormatter()):
        text = formatter.format(made)
        assert len(text) <= 2 * 4096
        assert "cause 0" in text
        assert "the last words" in text
        assert "cut]" in text


def test_bytes_are_counted_and_not_shown() -> None:
    for formatter in (JsonFormatter(), TextFormatter()):
        text = formatter.format(record("said", blob=b"Ada Lovelace"))
        assert "<12 bytes>" in text
        assert "Lovelace" not in text
