"""`hookline init`: its file passes `hookline check` for every kind once the secrets are set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from launcher.cli import app
from launcher.config.config import load
from launcher.errors import LauncherError
from sources.settings import Settings
from sources.source_kinds import kind_names, provider_of
from tests.redis_server import RedisServer


def run(*arguments: str, config: Path, **variables: str) -> tuple[int, str]:
    ran = CliRunner().invoke(app, ["--config", str(config), *arguments], env=variables)
    if isinstance(ran.exception, LauncherError):
        return ran.exception.exit_code, str(ran.exception)
    return ran.exit_code, ran.output


def secrets(config: Path) -> dict[str, str]:
    """A secret for each source of the file."""
    sources: dict[str, Settings] = load(config, {}).sources
    kinds = {name: provider_of(settings) for name, settings in sources.items()}
    return {
        f"HOOKLINE_SOURCES_{name.upper()}_SECRETS": kind.new_secret()
        for name, kind in kinds.items()
        if kind.authenticates
    }


@pytest.mark.parametrize("kind", kind_names())
def test_the_file_for_each_kind_passes_the_check_once_its_secret_is_set(
    tmp_path: Path, redis_server: RedisServer, kind: str
) -> None:
    config = tmp_path / "hookline.toml"
    code, output = run("init", kind, config=config)
    assert code == 0, output
    variables = secrets(config)
    assert all(variable in output for variable in variables)
    code, output = run("check", "--json", config=config, REDIS_URL=redis_server.url, **variables)
    report = json.loads(output)
    assert (code, report["faults"], report["problems"]) == (0, [], []), report
    assert [(source["name"], source["kind"]) for source in report["sources"]] == [(kind, kind)]
    assert not [note for note in report["notes"] if "sources." in note or "rules" in note]


def test_one_file_holds_all_kinds(tmp_path: Path, redis_server: RedisServer) -> None:
    config = tmp_path / "hookline.toml"
    assert run("init", *kind_names(), config=config)[0] == 0
    code, output = run("check", config=config, REDIS_URL=redis_server.url, **secrets(config))
    assert code == 0, output


def test_a_file_is_never_replaced(tmp_path: Path) -> None:
    config = tmp_path / "hookline.toml"
    config.write_text("# mine\n")
    code, output = run("init", config=config)
    assert (code, "never replaced" in output) == (2, True)
    assert config.read_text() == "# mine\n"


def test_an_unknown_provider_writes_nothing(tmp_path: Path) -> None:
    config = tmp_path / "hookline.toml"
    code, output = run("init", "githbu", config=config)
    assert (code, "did you mean github?" in output) == (2, True)
    assert not config.exists()


def test_a_directory_that_does_not_exist_is_reported_in_one_line(tmp_path: Path) -> None:
    code, output = run("init", config=tmp_path / "absent" / "hookline.toml")
    assert (code, "cannot write it" in output, output.count("\n")) == (2, True, 0)
