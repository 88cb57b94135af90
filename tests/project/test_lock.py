"""Tests that uv.lock, constraints.txt and pyproject.toml agree, and contain nothing about the machine."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.project.versions import CONSTRAINTS, constraints, differences, installed_versions

ROOT = Path(__file__).parents[2]
HOW_TO_UPDATE = "run: make lock"
TEXT = (ROOT / "uv.lock").read_text()
LOCK = tomllib.loads(TEXT)
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKED = constraints(CONSTRAINTS.read_text())
[HOOKLINE] = [package for package in LOCK["package"] if package["name"] == "hookline"]

Wanted = set[tuple[str, frozenset[str], SpecifierSet]]


def wanted(entries: Iterable[str]) -> Wanted:
    requirements = map(Requirement, entries)
    return {
        (canonicalize_name(requirement.name), frozenset(requirement.extras), requirement.specifier)
        for requirement in requirements
    }


def wanted_by_lock(entries: list[dict[str, Any]]) -> Wanted:
    return {
        (
            requirement["name"],
            frozenset(requirement.get("extras", ())),
            SpecifierSet(requirement.get("specifier", "")),
        )
        for requirement in entries
    }


def test_the_lock_is_resolved_from_the_ranges_in_pyproject() -> None:
    project, groups = PYPROJECT["project"], PYPROJECT["dependency-groups"]
    entries = [
        *project["dependencies"],
        *(requirement for extra in project["optional-dependencies"].values() for requirement in extra),
    ]
    assert wanted_by_lock(HOOKLINE["metadata"]["requires-dist"]) == wanted(entries), HOW_TO_UPDATE
    assert {name: wanted_by_lock(entries) for name, entries in HOOKLINE["metadata"]["requires-dev"].items()} == {
        name: wanted(entries) for name, entries in groups.items()
    }, HOW_TO_UPDATE
    assert SpecifierSet(LOCK["requires-python"]) == SpecifierSet(project["requires-python"]), HOW_TO_UPDATE


def test_the_build_requirements_are_locked() -> None:
    assert wanted(PYPROJECT["build-system"]["requires"]) <= wanted(PYPROJECT["dependency-groups"]["build"])


def test_the_constraints_are_those_of_the_lock() -> None:
    in_lock = {
        (requirement["name"], requirement["version"])
        for requirement in LOCK["package"]
        if requirement is not HOOKLINE
    }
    pinned = {
        (canonicalize_name(requirement.name), str(requirement.specifier).removeprefix("=="))
        for requirement in LOCKED
    }
    assert pinned == in_lock, HOW_TO_UPDATE


def test_pip_accepts_the_constraints() -> None:
    assert all(re.fullmatch(r"==[^=*,]+", str(requirement.specifier)) for requirement in LOCKED)
    assert not any(requirement.extras or requirement.url for requirement in LOCKED)


def test_the_lock_names_only_the_public_index() -> None:
    sources = [requirement["source"] for requirement in LOCK["package"] if requirement is not HOOKLINE]
    assert {source.get("registry") for source in sources} == {"https://pypi.org/simple"}, HOW_TO_UPDATE
    assert set(re.findall(r"(?:https?|file)://[^/]*", TEXT)) == {
        "https://pypi.org",
        "https://files.pythonhosted.org",
    }
    assert "://" not in CONSTRAINTS.read_text()


def test_differences_from_the_lock_are_reported() -> None:
    locked = constraints("# made\nbabel==2.18.0\narq==0.28.0\ntomli==2.0.0 ; python_version < '3'\n")
    installed = {"arq": "0.28.0", "babel": "2.19.0", "tomli": "2.1.0"}
    assert list(differences(locked, installed)) == ["babel 2.19.0 (locked: 2.18.0)", "tomli 2.1.0 (not locked)"]


def test_the_installed_packages_are_found() -> None:
    assert {"aiohttp", "pytest"} <= installed_versions().keys()
