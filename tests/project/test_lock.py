"""uv.lock, constraints.txt and pyproject.toml say the same, and name nothing of the machine that made them."""

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
MAKE_IT_ANEW = "run: make lock"
TEXT = (ROOT / "uv.lock").read_text()
LOCK = tomllib.loads(TEXT)
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKED = constraints(CONSTRAINTS.read_text())
[HOOKLINE] = [package for package in LOCK["package"] if package["name"] == "hookline"]

Wanted = set[tuple[str, frozenset[str], SpecifierSet]]


def wanted(entries: Iterable[str]) -> Wanted:
    found = map(Requirement, entries)
    return {(canonicalize_name(one.name), frozenset(one.extras), one.specifier) for one in found}


def wanted_by_lock(entries: list[dict[str, Any]]) -> Wanted:
    return {
        (one["name"], frozenset(one.get("extras", ())), SpecifierSet(one.get("specifier", ""))) for one in entries
    }


def test_the_lock_is_made_of_the_ranges_in_pyproject() -> None:
    project, groups = PYPROJECT["project"], PYPROJECT["dependency-groups"]
    entries = [
        *project["dependencies"],
        *(one for extra in project["optional-dependencies"].values() for one in extra),
    ]
    assert wanted_by_lock(HOOKLINE["metadata"]["requires-dist"]) == wanted(entries), MAKE_IT_ANEW
    assert {name: wanted_by_lock(entries) for name, entries in HOOKLINE["metadata"]["requires-dev"].items()} == {
        name: wanted(entries) for name, entries in groups.items()
    }, MAKE_IT_ANEW
    assert SpecifierSet(LOCK["requires-python"]) == SpecifierSet(project["requires-python"]), MAKE_IT_ANEW


def test_what_builds_hookline_is_locked() -> None:
    assert wanted(PYPROJECT["build-system"]["requires"]) <= wanted(PYPROJECT["dependency-groups"]["build"])


def test_the_constraints_are_those_of_the_lock() -> None:
    in_lock = {(one["name"], one["version"]) for one in LOCK["package"] if one is not HOOKLINE}
    pinned = {(canonicalize_name(one.name), str(one.specifier).removeprefix("==")) for one in LOCKED}
    assert pinned == in_lock, MAKE_IT_ANEW


def test_pip_takes_the_constraints() -> None:
    assert all(re.fullmatch(r"==[^=*,]+", str(one.specifier)) for one in LOCKED)
    assert not any(one.extras or one.url for one in LOCKED)


def test_the_lock_names_the_public_index_alone() -> None:
    sources = [one["source"] for one in LOCK["package"] if one is not HOOKLINE]
    assert {source.get("registry") for source in sources} == {"https://pypi.org/simple"}, MAKE_IT_ANEW
    assert set(re.findall(r"(?:https?|file)://[^/]*", TEXT)) == {
        "https://pypi.org",
        "https://files.pythonhosted.org",
    }
    assert "://" not in CONSTRAINTS.read_text()


def test_what_differs_from_the_lock_is_reported() -> None:
    locked = constraints("# made\nbabel==2.18.0\narq==0.28.0\ntomli==2.0.0 ; python_version < '3'\n")
    installed = {"arq": "0.28.0", "babel": "2.19.0", "tomli": "2.1.0"}
    assert list(differences(locked, installed)) == ["babel 2.19.0 (locked: 2.18.0)", "tomli 2.1.0 (not locked)"]


def test_the_installed_packages_are_found() -> None:
    assert {"aiohttp", "pytest"} <= installed_versions().keys()
