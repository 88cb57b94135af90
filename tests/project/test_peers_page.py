"""Tests that the pages about other programs name what `make bench-peers` measures, without installing anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.peers.contenders import CONTENDERS, PROGRAMS, Contender

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["peers.md", "comparison.md"])
def test_a_page_names_each_contender(page: str) -> None:
    text = (DOCS / page).read_text()
    assert [each.title for each in CONTENDERS if f"| {each.title} |" not in text] == []


@pytest.mark.parametrize("contender", CONTENDERS, ids=lambda each: each.name)
def test_the_page_states_packages_and_settings_of_a_contender(contender: Contender) -> None:
    text = (DOCS / "peers.md").read_text()
    assert contender.settings in text
    assert [name for name in contender.shown if name not in text] == []


def test_each_program_belongs_to_a_contender() -> None:
    started = {argument for each in CONTENDERS for process in each.processes for argument in process.arguments}
    modules = {argument.partition(":")[0] for argument in started} | {Path(argument).stem for argument in started}
    assert {path.stem for path in PROGRAMS.glob("*.py")} - modules == {"shared", "shared_http"}
