"""Tests of user modules whose name is in use: each is refused in one line with the reason and the remedy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from launcher.config.channel_checks import channel_faults
from runtime.own_packages import OWN_PACKAGES
from tests.launcher.running import ROOT, environment
from tests.redis_server import RedisServer
from worker.channels.settings import PythonSettings

FUNCTION = "async def note(notification, key): ...\n"
HOOKLINE = str(Path(sys.executable).parent / "hookline")
OWN_WORKER = (
    "channels.crm.target: 'worker' is the name of one of Hookline's own packages, which Python imports instead of "
    "yours: rename your module, for example to my_worker, and change what refers to it"
)


def run(*command: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def config(directory: Path, target: str) -> None:
    (directory / "hookline.toml").write_text(f'[channels.crm]\nkind = "python"\ntarget = "{target}"\n')


def refused(directory: Path, target: str, **variables: str) -> str:
    """Return why a worker started in the directory would not call this function; "" if it would."""
    program = (
        "from worker.channels.errors import ChannelError\n"
        "from worker.channels.user_module import function_at\n"
        "try:\n"
        f"    print(function_at({target!r}).__code__.co_filename)\n"
        "except ChannelError as error:\n"
        "    print('refused:', error)\n"
    )
    # As the command does, which does not search the working directory first.
    ran = run(sys.executable, "-P", "-c", program, cwd=directory, **variables)
    assert ran.returncode == 0, ran.stderr
    (line,) = ran.stdout.splitlines()
    return line.removeprefix("refused: ") if line.startswith("refused: ") else ""


@pytest.mark.parametrize("name", OWN_PACKAGES)
@pytest.mark.parametrize("path", ["{}", "{}.hooks"])
def test_a_target_with_the_name_of_a_package_of_hookline_is_refused(name: str, path: str) -> None:
    (fault,) = channel_faults({"crm": PythonSettings(target=f"{path.format(name)}:note")})
    assert str(fault) == OWN_WORKER.replace("worker", name)


@pytest.mark.parametrize(
    ("program", "command"),
    [
        ((HOOKLINE,), "check"),
        ((HOOKLINE,), "up"),
        ((HOOKLINE,), "worker"),
        ((sys.executable, "-m", "hookline"), "worker"),
    ],
    ids=["check", "up", "worker", "python -m hookline worker"],
)
def test_the_commands_refuse_it_in_one_line(
    program: tuple[str, ...], command: str, tmp_path: Path, redis_server: RedisServer
) -> None:
    config(tmp_path, "worker:note")
    (tmp_path / "worker.py").write_text(FUNCTION)
    variables = {"REDIS_URL": redis_server.url, "HOOKLINE_RECEIVER_PORT": "0"}
    ran = run(*program, command, cwd=tmp_path, **variables)
    assert ran.returncode == 2, ran.stdout + ran.stderr
    expected = f"fault    {OWN_WORKER}\n" if command == "check" else f"hookline: {OWN_WORKER}\n"
    assert expected in (ran.stdout if command == "check" else ran.stderr)
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    "code", ["from worker import note", "import worker.hooks", "import worker\nworker.note()"]
)
def test_a_module_that_imports_a_user_module_with_such_a_name_is_refused(tmp_path: Path, code: str) -> None:
    (tmp_path / "worker").mkdir()
    (tmp_path / "worker" / "__init__.py").write_text(FUNCTION)
    (tmp_path / "worker" / "hooks.py").write_text(FUNCTION)
    (tmp_path / "crm.py").write_text(f"{code}\n{FUNCTION}")
    expected = "importing crm: " + OWN_WORKER.removeprefix("channels.crm.target: ")
    assert refused(tmp_path, "crm:note") == expected


def test_a_module_that_is_not_imported_may_have_any_name(tmp_path: Path) -> None:
    for name in (*OWN_PACKAGES, "crm", "redis"):
        (tmp_path / f"{name}.py").write_text(FUNCTION)
    assert refused(tmp_path, "crm:note") == ""


@pytest.mark.parametrize("name", [name for name in OWN_PACKAGES if name != "hookline"])
def test_a_module_that_hides_a_package_of_hookline_is_named(name: str, tmp_path: Path) -> None:
    """Put the module on PYTHONPATH, which comes before installed packages, so that Hookline would import it."""
    module = tmp_path / f"{name}.py"
    module.write_text("raise AssertionError('it is never imported')")
    ran = run(HOOKLINE, "check", cwd=tmp_path, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == (
        f"hookline: Python imports {module} instead of Hookline's own package {name!r}: "
        "rename it, or take its directory out of PYTHONPATH\n"
    )


@pytest.mark.parametrize(
    ("module", "what"),
    [
        ("email", "a module of Python's standard library"),
        ("sys", "a module of Python's standard library"),
        ("redis", "an installed library ("),
        ("redis.hooks", "an installed library ("),
    ],
)
@pytest.mark.parametrize("is_package", [True, False], ids=["package", "directory"])
def test_a_module_that_is_hidden_by_a_library_is_refused(
    tmp_path: Path, module: str, what: str, *, is_package: bool
) -> None:
    name, _, inner = module.partition(".")
    own = tmp_path / name if inner else tmp_path / f"{name}.py"
    if inner:
        own.mkdir()
        (own / f"{inner}.py").write_text(FUNCTION)
        if is_package:
            (own / "__init__.py").touch()
    else:
        own.write_text(FUNCTION)
    reason = refused(tmp_path, f"{module}:note")
    assert reason.startswith(f"'{name}' is the name of {what}")
    assert reason.endswith(
        f", which Python imports instead of {own}: rename your module, for example to my_{name}, "
        "and change what refers to it"
    )


def test_a_helper_that_is_hidden_by_a_library_is_refused(tmp_path: Path) -> None:
    (tmp_path / "queue.py").write_text("def put_in_crm(): ...\n")
    (tmp_path / "crm.py").write_text(f"from queue import put_in_crm\n{FUNCTION}")
    reason = refused(tmp_path, "crm:note")
    assert reason.startswith("importing crm: 'queue' is the name of a module of Python's standard library")


def test_an_installed_user_module_takes_precedence_over_the_one_beside_the_config(tmp_path: Path) -> None:
    """Test an application that is installed while its checkout is the working directory."""
    for place in ("installed", "here"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "crm.py").write_text(FUNCTION)
    path = f"{tmp_path / 'installed'}{os.pathsep}{ROOT}"
    assert refused(tmp_path / "here", "crm:note", PYTHONPATH=path) == ""
    assert "there is no 'gone' in crm" not in refused(tmp_path / "here", "crm:gone", PYTHONPATH=path)


def test_a_mistake_in_a_user_module_is_not_reported_as_a_hidden_module(tmp_path: Path) -> None:
    (tmp_path / "mounted").mkdir()
    (tmp_path / "mounted" / "crm.py").write_text(f"import json\n{FUNCTION}")
    (tmp_path / "crm.py").symlink_to("mounted/crm.py")
    assert refused(tmp_path, "crm:gone") == "there is no 'gone' in crm"
    (tmp_path / "crm.py").unlink()
    (tmp_path / "crm.py").write_text("from json import gone\n")
    assert "cannot import name 'gone' from 'json'" in refused(tmp_path, "crm:note")
