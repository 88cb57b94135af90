"""Tests that inputs on which a fuzzer once failed, and suspicious ones, still pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.seeds import SEEDS
from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
KEPT = sorted(CORPUS.glob("*/*"))


@pytest.mark.parametrize("file", KEPT, ids=lambda file: f"{file.parent.name}-{file.name}")
def test_an_input_that_failed_once_passes(file: Path) -> None:
    TARGETS[file.parent.name](file.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_the_seeds_of_the_fuzzers_are_valid(target: str) -> None:
    seeds = SEEDS[target]()
    assert len(seeds) == len(set(seeds)) > 0
    for seed in seeds:
        TARGETS[target](seed)


def test_every_stored_input_belongs_to_a_target() -> None:
    assert {file.parent.name for file in KEPT} == set(TARGETS)
