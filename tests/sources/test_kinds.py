"""Providers of installed packages: when their code is imported, and what is said about one that cannot be used."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sources import KINDS
from sources.kinds import Kinds, PluginError
from sources.providers.github import GITHUB
from tests import plugin

GOOD = "from msgspec.structs import replace\nfrom sources.providers.github import GITHUB\n"


@pytest.fixture(name="site")
def _site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def kinds() -> Kinds:
    return Kinds([GITHUB])


def test_names_are_listed_and_nothing_is_imported_before_a_lookup(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offers = "acme = first_hooks:PROVIDER\nother = second_hooks:PROVIDER"
    good = GOOD + "PROVIDER = replace(GITHUB, name='acme')"
    plugin.install(site, "acme-hooks", offers, first_hooks=good, second_hooks="raise ValueError")
    monkeypatch.delitem(sys.modules, "first_hooks", raising=False)
    found = kinds()
    assert list(found) == ["github", "acme", "other"]
    assert len(found) == 3
    assert "other" in found
    assert found.in_use() == [GITHUB]
    assert "first_hooks" not in sys.modules
    assert found["acme"].name == "acme"
    assert found["acme"] is found["acme"]
    assert [provider.name for provider in found.in_use()] == ["github", "acme"]
    assert "second_hooks" not in sys.modules
    assert found.fault("acme") == found.fault("github") == found.fault("unknown") == ""
    with pytest.raises(KeyError):
        found["unknown"]


@pytest.mark.parametrize(
    ("number", "code", "reason"),
    [
        (1, "import no_such_module", "cannot be imported: ModuleNotFoundError: No module named 'no_such_module'"),
        (2, "def", "cannot be imported: SyntaxError"),
        (3, "", "cannot be imported: AttributeError: module 'broken3' has no attribute 'PROVIDER'"),
        (4, "raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
        (10, "raise ValueError('one\\ntwo')", "cannot be imported: ValueError: one two"),
        (5, "PROVIDER = {}", "broken5:PROVIDER is a dict, and no hookline.Provider"),
        (6, GOOD + "PROVIDER = GITHUB", 'name is "github", and the entry point is named "acme": write the same'),
        (7, GOOD + "PROVIDER = replace(GITHUB, name='acme', decode=None)", "decode is not a function"),
        (8, GOOD + "PROVIDER = replace(GITHUB, name='acme', title=b'Acme')", "title is not a str"),
        (9, GOOD + "PROVIDER = replace(GITHUB, name='acme', kept_headers=('X-Id',))", "names in lower case"),
    ],
)
def test_a_plug_in_that_cannot_be_used_is_refused_in_one_line_that_names_its_package(
    site: Path, number: int, code: str, reason: str
) -> None:
    # Modules have different names, since Python imports a module once.
    plugin.install(site, "acme-hooks", f"acme = broken{number}:PROVIDER", **{f"broken{number}": code})
    found = kinds()
    with pytest.raises(PluginError) as refused:
        found["acme"]
    text = str(refused.value)
    assert text.startswith(f"the package acme-hooks 1.0: broken{number}")
    assert reason in text
    assert "\n" not in text
    assert found.fault("acme") == text
    assert found.get("acme") is None
    assert found["github"] is GITHUB


def test_two_packages_with_the_same_name_of_a_provider_are_refused(site: Path) -> None:
    plugin.install(site, "acme-hooks", "acme = one:PROVIDER")
    plugin.install(site, "other-hooks", "acme = two:PROVIDER")
    reason = kinds().fault("acme")
    assert "acme-hooks 1.0" in reason
    assert "other-hooks 1.0" in reason
    assert "several packages offer this provider: remove one" in reason


def test_a_plug_in_with_the_name_of_a_provider_of_hookline_never_replaces_it(site: Path) -> None:
    plugin.install(site, "acme-hooks", "github = evil:PROVIDER", evil="raise ValueError")
    found = kinds()
    assert found["github"] is GITHUB
    assert "the package acme-hooks 1.0: it offers a provider with the name of one of Hookline's" in found.fault(
        "github"
    )


def test_a_plug_in_cannot_have_the_name_of_a_kind_that_a_table_describes(site: Path) -> None:
    plugin.install(site, "acme-hooks", "hmac = evil:PROVIDER", evil="raise ValueError")
    with pytest.raises(PluginError, match=r"acme-hooks 1.*name of one of Hookline"):
        kinds()["hmac"]


def test_no_package_of_these_tests_offers_a_provider() -> None:
    assert set(KINDS) == {provider.name for provider in KINDS.in_use()}
