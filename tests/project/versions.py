"""What is installed and what is locked: `python -m tests.project.versions` reports where they differ."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"


def constraints(text: str) -> list[Requirement]:
    """The locked versions of all platforms, each as `name==version ; marker`."""
    return [Requirement(line) for line in text.splitlines() if line and not line.startswith("#")]


def differences(locked: list[Requirement], installed: dict[str, str]) -> Iterator[str]:
    """A line for each installed package whose version is not the locked one."""
    here = {
        canonicalize_name(entry.name): entry for entry in locked if not entry.marker or entry.marker.evaluate()
    }
    for name, version in sorted(installed.items()):
        if name not in here:
            yield f"{name} {version} (not locked)"
        elif version not in here[name].specifier:
            yield f"{name} {version} (locked: {str(here[name].specifier).removeprefix('==')})"


def installed_versions() -> dict[str, str]:
    """Of this environment, without Hookline itself."""
    found = {canonicalize_name(one.metadata["Name"]): one.version for one in metadata.distributions()}
    return {name: version for name, version in found.items() if name not in {"hookline", "pip"}}


def report(found: list[str]) -> str:
    """What `make test-newest` prints, and CI picks out."""
    head = f"{len(found)} versions differ from the lock" if found else "all versions are as locked"
    return "\n".join([head, *(f"differs: {line}" for line in found), ""])


if __name__ == "__main__":
    sys.stdout.write(report(list(differences(constraints(CONSTRAINTS.read_text()), installed_versions()))))
