"""Words and docstrings that are hard to read: see "Rules" in CONTRIBUTING.md and docs/glossary.md.

All texts of the project are checked.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

CHECKED = (
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
    *("Makefile", "Dockerfile", "docker-compose.yml", "deploy"),
    *("hookline", "launcher", "receiver", "worker", "inspector", "broker", "sources", "runtime"),
    *("docs", "examples", "tools", "benchmarks"),
    "tests",
)

# This file quotes the words, and the corpus is the input of fuzzers.
NOT_CHECKED = ("tests/project/test_language.py", "tests/fuzz/corpus")

# Text that quotes others, or names what a word was replaced by: file -> words.
ALLOWED = {
    "CHANGELOG.md": {"buried", "deeds", "rehearse", "rehearsal", "somebody"},
}

TEXT = {"", ".css", ".html", ".js", ".lua", ".md", ".py", ".toml", ".yml"}

WORDS = re.compile(
    r"(?<![A-Za-z])(tells?|told|telling|untold|whoever|nobody|somebody|strangers?|graves?|deeds?|bury|buried"
    r"|rehears\w*|verdicts?)(?![A-Za-z])",
    re.IGNORECASE,
)
# In lower case only: `is None` is Python.
PHRASES = re.compile(r"\bis none\b")

FEWEST_WORDS = 4
# A docstring starts with a verb or a noun, and does not continue another text.
OPENINGS = re.compile(r"(The same|Of|As|It|Its|See|Those|Which|What|Whether|Where|Who|Also|And|Or|That)\b")


def clean_files() -> list[str]:
    paths = [path for name in CHECKED for path in sorted([ROOT / name, *(ROOT / name).rglob("*")])]
    names = [str(path.relative_to(ROOT)) for path in paths if path.is_file() and path.suffix in TEXT]
    return [name for name in names if not name.startswith(NOT_CHECKED)]


def banned_words(text: str, allowed: set[str]) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        for word in [*WORDS.findall(line), *PHRASES.findall(line)]:
            if word.lower() not in allowed:
                yield f"line {number}: {word!r} in {line.strip()!r}"


def docstrings(code: str) -> Iterator[tuple[int, str]]:
    """(line, text) of each string that is a statement: docstrings, also those below fields and constants."""
    for node in ast.walk(ast.parse(code)):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            yield node.lineno, node.value.value.strip()


def odd_docstrings(code: str) -> Iterator[str]:
    for number, text in docstrings(code):
        if len(text.split()) < FEWEST_WORDS:
            yield f"line {number}: fewer than {FEWEST_WORDS} words: {text!r}"
        if OPENINGS.match(text):
            yield f"line {number}: odd opening: {text.splitlines()[0]!r}"


def in_files(names: list[str], faults: Callable[[str, str], Iterable[str]]) -> str:
    """Return the faults of these files, one in each line with the file that has it."""
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in names}
    return "\n".join(f"{name}, {fault}" for name, text in texts.items() for fault in faults(name, text))


# One test for all files: a test for each would take longer to collect and to start than to run.
def test_no_file_has_a_banned_word() -> None:
    findings = in_files(clean_files(), lambda name, text: banned_words(text, ALLOWED.get(name, set())))
    assert not findings, f"\n{findings}"


def test_all_docstrings_are_sentences() -> None:
    programs = [name for name in clean_files() if name.endswith(".py")]
    assert programs
    findings = in_files(programs, lambda _, text: odd_docstrings(text))
    assert not findings, f"\n{findings}"


@pytest.mark.parametrize(
    "line",
    [
        "the log tells why",
        "Nobody reads it",
        "def read_grave():",
        "told = 1",
        "it is none of them",
        "REHEARSE = 1",
    ],
)
def test_a_banned_word_is_found(line: str) -> None:
    assert list(banned_words(line, set()))


@pytest.mark.parametrize("line", ["if value is None:", "engrave", "foretold", "storytelling", "buriedx"])
def test_a_part_of_another_word_is_not_found(line: str) -> None:
    assert not list(banned_words(line, set()))


@pytest.mark.parametrize(
    "text", ["It.", "One look.", "The same of the other one.", "Of a worker, all of its jobs."]
)
def test_an_odd_docstring_is_found(text: str) -> None:
    code = f'class A:\n    """Holds what is needed."""\n    x: int = 1\n    """{text}"""\n'
    assert [finding.partition(":")[0] for finding in odd_docstrings(code)][:1] == ["line 4"]


def test_each_exception_is_still_needed() -> None:
    for name, words in ALLOWED.items():
        text = (ROOT / name).read_text(encoding="utf-8").lower()
        assert not {word for word in words if word not in text}, name
    assert all((ROOT / name).exists() for name in (*CHECKED, *NOT_CHECKED, *ALLOWED))
