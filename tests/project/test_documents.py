"""Tests that the documents describe what the code does."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from msgspec import structs

from inspector.settings import User
from launcher.cli import app
from launcher.config.config import read
from sources.secret import Secret
from sources.source_kinds import CONFIGURED
from tools import architecture_picture, configuration, keys, metrics

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]


def commands(program: str) -> Iterator[tuple[str, str]]:
    """Yield (document, command line) of every line in a shell block that runs `program`."""
    for document in DOCUMENTS:
        for block in re.findall(r"^```(?:sh|console)\n(.*?)^```", document.read_text(), re.DOTALL | re.MULTILINE):
            for line in block.splitlines():
                words = re.sub(r"^(\$ )?(\w+=\S+ )*", "", line)
                if words.split(" ")[0] == program:
                    yield document.name, words


def make_targets() -> set[str]:
    (phony,) = re.findall(r"^\.PHONY: (help.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return set(phony.split())


def in_a_variable(default: str) -> str:
    return ",".join(json.loads(default)) if default.startswith("[") else default.strip('"')


def test_the_configuration_page_is_generated_from_the_settings() -> None:
    assert configuration.FILE.read_text() == configuration.document(), "run: make docs"


def test_the_page_of_metrics_is_generated_from_their_declarations() -> None:
    assert metrics.FILE.read_text() == metrics.document(), "run: make docs"


def test_the_page_of_keys_is_generated_from_their_declarations() -> None:
    assert keys.FILE.read_text() == keys.document(), "run: make docs"


def test_metrics_have_names_as_prometheus_recommends_and_each_one_meaning() -> None:
    declared = [metric for _, each in metrics.TITLES for metric in each]
    assert len({metric.name for metric in declared}) == len(declared)
    for metric in declared:
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert re.fullmatch("[a-z_]+", metric.name) and metric.text, metric.name
        assert bool(metric.bounds) == (metric.kind == "histogram"), metric.name
        assert not re.search("_(ms|s|kb|mb|count|sum|bucket|created)(_total)?$", metric.name), metric.name


def test_the_picture_of_the_architecture_is_up_to_date() -> None:
    assert architecture_picture.FILE.read_text() == architecture_picture.picture(), "run: make docs"


def test_every_variable_of_the_configuration_page_is_accepted_with_its_default() -> None:
    variables = re.findall(r"<br>`(HOOKLINE_\w+)` \| `(.*?)` \|", configuration.FILE.read_text())
    # A table that describes a provider is accepted with its own kind only.
    others = ("HOOKLINE_CHANNELS", *(f"HOOKLINE_SOURCES_NAME_{kind.upper()}_" for kind in CONFIGURED))
    others += ("HOOKLINE_INSPECTOR_PROXY_LOGIN", "HOOKLINE_INSPECTOR_OIDC")  # need settings that have no default
    environ = {name: in_a_variable(value) for name, value in variables if not name.startswith(others)}
    environ |= {f"HOOKLINE_SOURCES_NAME_API_{key}": "needed-with-api" for key in ("APP_ID", "TOKEN")}
    environ["HOOKLINE_INSPECTOR_USERS_NAME_PASSWORD"] = "needed-by-each-user"
    assert len(environ) > 20
    configured, default = read({}, environ), read({}, {})
    assert (configured.redis, configured.receiver, configured.worker) == (
        default.redis,
        default.receiver,
        default.worker,
    )
    assert (configured.up, configured.log) == (default.up, default.log)
    assert structs.replace(configured.inspector, users={}) == default.inspector
    assert configured.inspector.users == {"name": User(password=Secret("needed-by-each-user"))}


@pytest.mark.parametrize("kind", CONFIGURED)
def test_every_variable_of_a_configured_provider_is_accepted_with_its_default(kind: str) -> None:
    variables = re.findall(r"<br>`(HOOKLINE_\w+)` \| `?(.*?)`? \|", configuration.FILE.read_text())
    prefix = f"HOOKLINE_SOURCES_NAME_{kind.upper()}_"
    environ = {name: in_a_variable(value) for name, value in variables if name.startswith(prefix)}
    environ |= {"HOOKLINE_SOURCES_NAME_KIND": kind, "HOOKLINE_SOURCES_NAME_ADDRESSES": "192.0.2.1"}
    if kind == "hmac":
        environ[f"{prefix}HEADER"] = "x-shop-signature"
    assert len(environ) > 5
    assert read({}, environ).sources["name"].kind == kind


@pytest.mark.parametrize(("document", "line"), list(commands("make")))
def test_a_make_target_in_a_document_exists(document: str, line: str) -> None:
    targets = {word for word in shlex.split(line, comments=True)[1:] if "=" not in word}
    assert targets <= make_targets(), document


@pytest.mark.parametrize(("document", "line"), list(commands("hookline")))
def test_a_hookline_command_in_a_document_exists(
    document: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for word in line.split():
        if re.fullmatch(r"[\w-]+\.json", word):
            (tmp_path / word).touch()  # an option may require that its file exists
    command: Any = typer.main.get_command(app)
    words = shlex.split(line, comments=True)[1:]
    context = None
    while hasattr(command, "resolve_command"):
        context = command.make_context(command.name or "hookline", words, parent=context)
        words = [*context._protected_args, *context.args]
        name, command, words = command.resolve_command(context, words)
        assert name, document
    command.make_context(command.name, words, parent=context)  # raises for unknown options and missing arguments


def test_commands_are_found_in_the_documents() -> None:
    assert len(list(commands("make"))) >= 4
    assert len(list(commands("hookline"))) >= 5


def anchors(document: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_a_link_between_documents_has_a_target(document: Path) -> None:
    for link, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", document.read_text()):
        target = document.parent / link if link else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), f"{link}#{anchor}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_line_of_a_document_is_longer_than_120_characters(document: Path) -> None:
    text = re.sub(r"^ *```.*?^ *```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert not [
        line for line in text.splitlines() if len(line) > 120 and not line.lstrip().startswith(("|", "!["))
    ]


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert pages - set(re.findall(r"\]\(([\w-]+\.md)", index)) == set()


@pytest.mark.parametrize("record", DECISIONS, ids=lambda record: record.stem)
def test_a_decision_names_the_files_that_it_concerns(record: Path) -> None:
    listed = record.read_text().partition("\n## Files\n")[2]
    links = re.findall(r"^- \[(\S+)\]\(\.\./\.\./(\S+)\): \S", listed, re.MULTILINE)
    assert links
    for name, path in links:
        assert name == path
        assert (ROOT / path).exists(), path


def test_the_configs_on_the_page_of_the_inspector_are_valid(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "inspector.md").read_text()
    examples = re.findall(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(examples) >= 3
    (tmp_path / "secret").write_text("a secret with more than twenty characters")
    for example in examples:
        text = re.sub(r"file:/run/secrets/[a-z-]+", f"file:{tmp_path}/secret", example)
        assert read(tomllib.loads(text), {}).inspector.needs_login


def test_every_dependency_is_documented() -> None:
    documented = re.findall(r"^- `([^`]+)`: \S", (ROOT / "docs" / "dependencies.md").read_text(), re.MULTILINE)
    extras = PROJECT["optional-dependencies"]
    optional = [*extras["embedded"], *extras["apprise"], *extras["oidc"], *extras["otel"], *extras["dev"]]
    groups = PYPROJECT["dependency-groups"]
    needed = [*PROJECT["dependencies"], *optional, *groups["build"], *groups["lock"]]
    assert documented == [re.split(r"[\[<>=~!]", entry)[0] for entry in needed]


def test_the_changelog_keeps_its_format() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## \[(.+?)\]", text, re.MULTILINE)
    assert versions[0] in ("Unreleased", PROJECT["version"])
    assert PROJECT["version"] in text
    groups = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert groups <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
