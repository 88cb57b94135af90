"""The place of an error in the body of a dead letter."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inspector.formatting import printable
from inspector.presentation.error_location import MAX_CHARS, BodyLine, MarkedBody, locate_error
from inspector.privacy.masking import DEFAULT, MASK, Masking
from sources import KINDS
from sources.errors import DecodeError
from tests.inspector.privacy.test_masking import json_values
from tests.inspector.stack import EVENT, sample

BODY = {
    "data": {"items": [{"price": 1}, {"price": "x", "tags": []}], "a.b": {"c[0]": {"": None}}, "a": {"b": 1}},
    "list": [[1, 2], [3, {"deep": True}]],
    "ada@example.com": {"name": "Ada", "age": 41},
}


def lines(body: Any, path: str, masking: Masking | None = None) -> tuple[BodyLine, ...]:
    location = locate_error(body if isinstance(body, bytes) else msgspec.json.encode(body), path, masking=masking)
    return location.lines


def mark(body: Any, path: str, masking: Masking | None = None) -> str:
    """Return the marked line without its indentation."""
    [line] = [line for line in lines(body, path, masking) if line.is_marked]
    return line.text.strip()


def text(found: tuple[BodyLine, ...]) -> str:
    return "\n".join(line.text for line in found)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("$", "{"),
        ("$.data", '"data": {'),
        ("$.data.items", '"items": ['),
        ("$.data.items[0]", "{"),
        ("$.data.items[0].price", '"price": 1'),
        ("$.data.items[1].price", '"price": "x",'),
        ("$.data.items[1].tags", '"tags": []'),
        ("$.data.items[...].price", '"items": ['),
        ("$.data.items[7].price", '"items": ['),
        ("$.data.items[1].nothing", "{"),
        ("$.data.nothing.at.all", '"data": {'),
        ("$.nothing", "{"),
        ("$.database", "{"),
        ("$[...]", "{"),
        ("$.data.a.b.c[0]", '"c[0]": {'),
        ("$.data.a.b.c[0].", '"": null'),
        ("$.list[1][1].deep", '"deep": true'),
        ("$.list[0][1]", "2"),
        ("$.list[99999999999]", '"list": ['),
        ("$.ada@example.com.age", '"age": 41'),
    ],
)
def test_the_line_where_the_value_of_the_path_begins_is_marked(path: str, line: str) -> None:
    assert mark(BODY, path) == line


def test_a_masked_body_is_marked_at_the_same_line() -> None:
    assert mark(BODY, "$.ada@example.com", DEFAULT) == f'"{MASK}": {{'
    assert mark(BODY, "$.ada@example.com.name", DEFAULT) == f'"name": "{MASK}",'
    assert "Ada" not in text(lines(BODY, "$.ada@example.com.name", DEFAULT))


def test_without_a_path_nothing_is_marked() -> None:
    for body in (BODY, b'{"a'):
        assert not any(line.is_marked for line in lines(body, ""))


@pytest.mark.parametrize("broken", ["points", "balance"])
def test_the_place_of_a_real_error_is_marked(broken: str) -> None:
    payload = json.loads(sample(1))
    if broken == "points":
        payload["data"]["balance"]["points"] = "forty"
    else:
        del payload["data"]["balance"]["balance"]
    body = json.dumps(payload).encode()
    with pytest.raises(DecodeError) as caught:
        KINDS["voucherify"].decode(body, EVENT)
    assert mark(body, caught.value.path, DEFAULT) == (
        '"points": "forty",' if broken == "points" else '"balance": {'
    )


@pytest.mark.parametrize(
    ("body", "before", "line"),
    [
        (b'{"a":1,"b":}', '{"a":1,"b":', "}"),
        (b'{"a":1,\n"b":x,\n"c":2}', '{"a":1,\n"b":', "x,"),
        (b'{"a":"x', '{"a":"x', "(the body ends here)"),
        (b"", "", "(the body ends here)"),
        (b'{"a":"\xff"}', '{"a":"', '\\xff"}'),
        (b'{"a":"\x1b[31m"}', '{"a":"', '\\x1b[31m"}'),
        (b"{} {}", "{} ", "{}"),
        (b'{"a":1} x', '{"a":1} ', "x"),
        (b"[tru]", "[tru", "]"),
    ],
)
def test_a_body_that_is_not_json_is_cut_where_decoding_fails(body: bytes, before: str, line: str) -> None:
    location = locate_error(body, "$", masking=None)
    at = [line.is_marked for line in location.lines].index(True)
    assert location.form == "text"
    assert text(location.lines[:at]) == before
    assert location.lines[at].text == line


def test_a_body_that_is_not_json_is_never_partly_masked() -> None:
    for body in (b'{"name":"Ada', b"\xff", b"[" * 100_000):
        assert locate_error(body, "$", masking=DEFAULT) == MarkedBody("hidden")


def test_a_large_text_is_cut_around_the_place() -> None:
    body = b'["' + b"x" * 300_000 + b'",' + b"y" * 300_000
    shown = lines(body, "$")
    assert [len(line.text) for line in shown[1:3]] == [MAX_CHARS // 2] * 2
    assert shown[2].is_marked
    assert shown[2].text.startswith("yy")
    assert (shown[0].text, shown[3].text) == (
        f"... {300_004 - MAX_CHARS // 2} bytes before",
        f"... {300_000 - MAX_CHARS // 2} more bytes",
    )
    assert lines(b"\x00" * 100_000, "")[-1].text == f"... {100_000 - MAX_CHARS} more bytes"


@pytest.mark.parametrize("size", [10, 30_000])
def test_a_large_body_is_cut_around_the_place(size: int) -> None:
    body = {"data": [{"text": "x" * size, "points": number} for number in range(50_000 // size * 10)]}
    last = len(body["data"]) - 1
    shown = lines(body, f"$.data[{last - 1}].points")
    assert mark(body, f"$.data[{last - 1}].points") == f'"points": {last - 1}'
    assert shown[0].text == "... lines before"
    assert shown[-1].text == "... lines after"
    assert len(text(shown)) < MAX_CHARS + 200
    assert len(text(lines(body, ""))) < MAX_CHARS + 200


def test_a_long_line_is_cut_and_says_so() -> None:
    assert lines({"a": "x" * 100_000}, "$.a")[1].text.endswith("more characters")


HOSTILE = {
    "an array nested by hundreds": b"[" * 400 + b"]" * 400,
    "an array nested too deeply": b"[" * 200_000,
    "an object nested by hundreds": b'{"a":' * 400 + b"1" + b"}" * 400,
    "many items far down": b"[" * 400 + b"1," * 300_000 + b"1" + b"]" * 400,
    "many items": b"[" + b"{}," * 300_000 + b"{}]",
    "empty keys": b'{"":' * 400 + b"1" + b"}" * 400,
    "a number of many digits": b"9" * 10_000,
    "a large number": b"[123456789012345678901234567890]",
    "half a character": b'"\\ud800"',
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize(
    "path", ["", "$" + "." * 500, "$" + "[0]" * 400 + "[299999]", "$[299999]", "$" + ".a" * 450]
)
def test_hostile_bodies_are_bounded_in_size_and_time(body: bytes, path: str) -> None:
    started_s = time.process_time()
    for masking in (None, DEFAULT):
        assert len(text(lines(body, path, masking))) < 2 * MAX_CHARS
    assert time.process_time() - started_s < 3


@given(json_values)
@example({"a": "\x7f\x9b\u2028\u202e\x00"})
@example([2**70, -0.0, 1e300])
def test_the_lines_of_a_valid_body_are_json_of_the_same_value(value: Any) -> None:
    body = msgspec.json.encode(value)
    for masking, same in ((None, value), (DEFAULT, DEFAULT.value(value))):
        shown = lines(body, "$", masking)
        assert json.loads(text(shown)) == same
        assert all(line.text == printable(line.text) for line in shown)


def places(value: Any, path: str) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        found = [place for key, inner in value.items() for place in places(inner, f"{path}.{key}")]
    elif isinstance(value, list):
        found = [place for index, inner in enumerate(value) for place in places(inner, f"{path}[{index}]")]
    else:
        found = []
    return [(path, value), *found]


@given(json_values)
def test_for_any_path_the_marked_line_begins_the_value_at_that_path(value: Any) -> None:
    body = msgspec.json.encode(value)
    by_path: dict[str, list[Any]] = {}
    for path, found in places(value, "$"):
        by_path.setdefault(path, []).append(found)
    for path, values in by_path.items():
        begins = {
            msgspec.json.format(msgspec.json.encode(one), indent=2).decode().split("\n")[0] for one in values
        }
        assert any(
            mark(body, path).removesuffix(",").endswith(printable_start) for printable_start in map(start, begins)
        )


def start(line: str) -> str:
    """Return how a value begins in the output, which escapes control characters."""
    return "".join(char if printable(char) == char else f"\\u{ord(char):04x}" for char in line)


@given(st.binary(max_size=200), st.text(max_size=20).map("$".__add__))
def test_any_bytes_and_any_path_can_be_shown(body: bytes, path: str) -> None:
    for masking in (None, DEFAULT):
        shown = lines(body, path, masking)
        assert sum(line.is_marked for line in shown) <= 1
        assert all(line.text == printable(line.text) for line in shown)
