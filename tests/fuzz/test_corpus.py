"""What a fuzzer once found, and what was feared, is tried again each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.seeds import SEEDS
from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
KEPT = sorted(CORPUS.glob("*/*"))


@pytest.mark.parametrize("file", KEPT, ids=lambda file: f"{file.parent.name}-{file.name}")
def test_what_was_found_once_does_no_harm_any_more(file: Path) -> None:
    TARGETS[file.parent.name](file.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_the_fuzzers_begin_with_what_is_right(target: str) -> None:
    seeds = SEEDS[target]()
    assert len(seeds) == len(set(seeds)) > 0
    for seed in seeds:
        TARGETS[target](seed)


def test_every_kept_file_belongs_to_a_target() -> None:
    assert {file.parent.name for file in KEPT} == set(TARGETS)
