"""Tests of the check that runs over a file of the vendor's examples."""

import json
from pathlib import Path
from typing import Any

import pytest

from sources.voucherify.examples import main
from tests.libraries import msgspec_refusal
from tests.sources.payloads import FIXTURES, PAYLOADS, POINTS_ADDED, replaced


def written(tmp_path: Path, examples: Any) -> str:
    path = tmp_path / "examples.json"
    path.write_text(json.dumps(examples))
    return str(path)


def test_every_example_is_reported_with_its_model_and_its_envelopes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(FIXTURES)]) == 0
    *lines, total = capsys.readouterr().out.splitlines()
    assert len(lines) == len(PAYLOADS)
    assert f"{POINTS_ADDED}  PointsAdded  ok in project, distribution, raw  0 unknown to the model" in lines
    assert total == f"{len(PAYLOADS)} of {len(PAYLOADS)} decode typed in all 3 envelopes"


def test_keys_that_the_model_lacks_are_reported_but_are_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grown = replaced(PAYLOADS[POINTS_ADDED], ("voucher", "aura"), "gold")
    assert main([written(tmp_path, {POINTS_ADDED: grown})]) == 0
    assert "    unknown key $.data.voucher.aura string" in capsys.readouterr().out


NO_BOOL = f"whole: {msgspec_refusal(bool | None, 'x')}"


@pytest.mark.parametrize(
    ("examples", "fault"),
    [
        ({POINTS_ADDED: replaced(PAYLOADS[POINTS_ADDED], ("balance", "points"), "x")}, "$.data.balance.points"),
        ({POINTS_ADDED: {"balance": 1}}, "raw: not typed"),
        (
            {POINTS_ADDED: replaced(PAYLOADS[POINTS_ADDED], ("campaign", "active"), "x")},
            NO_BOOL,
        ),
        ({"moon.phase.changed": {}}, "there is no model of this event"),
    ],
)
def test_an_example_without_a_model_fails_the_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], examples: Any, fault: str
) -> None:
    assert main([written(tmp_path, examples | {"customer.created": PAYLOADS["customer.created"]})]) == 1
    out = capsys.readouterr().out
    assert fault in out
    assert "1 of 2 decode typed" in out


@pytest.mark.parametrize("content", ["[1]", "{", None])
def test_a_file_without_examples_is_reported_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    path = tmp_path / "x.json"
    if content is not None:
        path.write_text(content)
    assert main([str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main([]) == 2
