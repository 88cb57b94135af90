"""Runs one fuzzer: `python -m tests.fuzz TARGET SECONDS DIRECTORY`; needs atheris.

Exits with 0 if it found no failure. Failing inputs are left in DIRECTORY as crash-..., timeout-... or oom-...; add
them to tests/fuzz/corpus/TARGET, so that the tests replay them from then on.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["sources", "broker", "launcher", "receiver", "worker"]):
    from tests.fuzz.targets import TARGETS

from tests.fuzz.seeds import SEEDS

MAX_MEMORY_MB = 512
MAX_INPUT_S = 5
MAX_INPUT_BYTES = 16 * 1024


def main(target: str, seconds: str, directory: Path) -> None:
    corpus = directory / "corpus"
    corpus.mkdir(parents=True)
    tempfile.tempdir = str(directory)  # a fuzzer ends without cleaning up
    for number, seed in enumerate(SEEDS[target]()):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        f"-rss_limit_mb={MAX_MEMORY_MB}",
        f"-timeout={MAX_INPUT_S}",
        f"-max_len={MAX_INPUT_BYTES}",
        f"-artifact_prefix={directory}/",
        "-print_final_stats=1",
    ]
    kept = Path(__file__).parent / "corpus" / target
    atheris.Setup([sys.argv[0], *options, str(corpus), str(kept)], TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
