"""Installed and locked versions: `python -m tests.project.versions` reports the differences."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"


def constraints(text: str) -> list[Requirement]:
    """Return the locked versions of all platforms, each as `name==version ; marker`."""
    return [Requirement(line) for line in text.splitlines() if line and not line.startswith("#")]


def differences(locked: list[Requirement], installed: dict[str, str]) -> Iterator[str]:
    """Yield a line for each installed package whose version is not the locked one."""
    here = {
        canonicalize_name(entry.name): entry for entry in locked if not entry.marker or entry.marker.evaluate()
    }
    for name, version in sorted(installed.items()):
        if name not in here:
            yield f"{name} {version} (not locked)"
        elif version not in here[name].specifier:
            yield f"{name} {version} (locked: {str(here[name].specifier).removeprefix('==')})"


def installed_versions() -> dict[str, str]:
    """Return the versions in this environment, without Hookline itself."""
    versions = {
        canonicalize_name(package.metadata["Name"]): package.version for package in metadata.distributions()
    }
    return {name: version for name, version in versions.items() if name not in {"hookline", "pip"}}


def report(differing: list[str]) -> str:
    """Return the report that `make test-newest` prints, and that CI reads."""
    head = f"{len(differing)} versions differ from the lock" if differing else "all versions are as locked"
    return "\n".join([head, *(f"differs: {line}" for line in differing), ""])


if __name__ == "__main__":
    sys.stdout.write(report(list(differences(constraints(CONSTRAINTS.read_text()), installed_versions()))))
