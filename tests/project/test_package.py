"""Tests of what users install and import: wheel, sdist, and `hookline` in an environment without this checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import Struct

import hookline
import hookline.voucherify
from hookline import command_line
from runtime.own_packages import OWN_PACKAGES
from sources import errors, provider
from sources.voucherify import models
from tests.redis_server import RedisServer
from worker import user_function

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
VERSION = PYPROJECT["project"]["version"]
PACKAGES = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
NOT_INSTALLED = {"tests", "benchmarks", "tools"}
# The environment without anything that points to this checkout.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HOOKLINE_"))}

MISTAKEN = """\
from hookline import Notification, Permanet
from hookline.voucherify import PointsAdded

def points(event: PointsAdded) -> str:
    return event.balance.points

def attempt(notification: Notification) -> str:
    return notification.attempt
"""


def run(*command: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=ENVIRONMENT | variables,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def build(what: str, source: Path, into: Path) -> Path:
    """Build with the installed hatchling, which needs no network."""
    ran = run(sys.executable, "-m", "hatchling", "build", "--target", what, "--directory", into, cwd=source)
    assert ran.returncode == 0, ran.stderr
    (made,) = into.iterdir()
    return made


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from the sdist, which shows that the sdist is complete."""
    source = tmp_path_factory.mktemp("source")
    with tarfile.open(sdist) as archive:
        archive.extractall(source, filter="data")
    return build("wheel", source / f"hookline-{VERSION}", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment that has the wheel, its dependencies and nothing of this checkout."""
    directory = tmp_path_factory.mktemp("environment")
    venv.create(directory)
    (site_packages,) = directory.glob("lib/python*/site-packages")
    # A wheel without compiled code is installed where it is unpacked; an environment need not have pip.
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site_packages)
    # Python searches a directory that a .pth file names, but reads no .pth file in it, such as this checkout's.
    (site_packages / "dependencies.pth").write_text(
        "\n".join(path for path in sys.path if "site-packages" in path)
    )
    return directory / "bin" / "python"


def test_every_package_is_installed_and_checked_and_its_name_is_reserved() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - NOT_INSTALLED
    lists: list[Sequence[str]] = [
        PACKAGES,
        [name for name in PYPROJECT["tool"]["mypy"]["packages"] if name not in NOT_INSTALLED],
        PYPROJECT["tool"]["importlinter"]["root_packages"],
        OWN_PACKAGES,
        [*command_line.PACKAGES, "hookline"],
    ]
    assert [sorted(names) for names in lists] == [sorted(packages)] * len(lists)


def test_the_wheel_contains_every_file_of_every_package_and_nothing_else(wheel: Path) -> None:
    expected = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    in_wheel = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert in_wheel == expected
    assert {Path(name).suffix for name in in_wheel} >= {".lua", ".html", ".css", ".js", ".svg", ".json", ".typed"}
    assert {"hookline/py.typed", "inspector/api/openapi.json"} <= in_wheel


def test_the_sdist_contains_all_that_is_needed_to_build_and_test(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "README.md", "CHANGELOG.md", "Makefile", "tests/conftest.py"} <= names
    assert not [
        name for name in names if "__pycache__" in name or name.startswith((".venv", ".hookline", ".git/"))
    ]


def test_the_package_index_would_accept_both(wheel: Path, sdist: Path) -> None:
    ran = run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist, cwd=wheel.parent)
    assert ran.returncode == 0, ran.stdout
    assert ran.stdout.count("PASSED") == 2


def test_the_command_runs_where_only_the_wheel_is_installed(
    python: Path, tmp_path: Path, redis_server: RedisServer
) -> None:
    (tmp_path / "hookline.toml").write_text('[channels.log]\nkind = "file"\npath = "out.jsonl"\n')
    ran = run(python, "-m", "hookline", "check", cwd=tmp_path, REDIS_URL=redis_server.url)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    script = (
        "from importlib.metadata import entry_points\n"
        "(script,) = entry_points(group='console_scripts', name='hookline')\n"
        "import launcher\n"
        "print(launcher.__file__)\n"
        "script.load()()"
    )
    ran = run(python, "-c", script, "--version", cwd=tmp_path)
    place, version = ran.stdout.splitlines()
    assert Path(place).is_relative_to(python.parents[1])
    assert version == f"hookline {VERSION}"


def test_mypy_knows_the_types_that_users_import(python: Path, tmp_path: Path) -> None:
    """Check the example of the documentation, and a copy with mistakes."""
    (example,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "channels.md").read_text(), re.S | re.M)
    (tmp_path / "crm.py").write_text(example)
    (tmp_path / "mistaken.py").write_text(MISTAKEN)
    mypy = (sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--python-executable", python)
    ran = run(*mypy, "crm.py", "mistaken.py", cwd=tmp_path)
    assert ran.stdout.splitlines() == [
        'mistaken.py:1: error: Module "hookline" has no attribute "Permanet"; maybe "Permanent"?  [attr-defined]',
        'mistaken.py:5: error: Incompatible return value type (got "int", expected "str")  [return-value]',
        'mistaken.py:8: error: Incompatible return value type (got "int", expected "str")  [return-value]',
    ]


def test_the_exported_classes_are_those_that_hookline_uses() -> None:
    assert hookline.__version__ == VERSION
    used = {**vars(errors), **vars(provider), **vars(user_function)}
    for name in set(hookline.__all__) - {"__version__"}:
        assert getattr(hookline, name) is used[name]
    with pytest.raises(AttributeError, match="no attribute 'Later'"):
        _ = hookline.Later  # type: ignore[attr-defined]


def is_model(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct) and kind.__module__.startswith(models.__name__)


def test_every_type_of_voucherifys_events_can_be_imported() -> None:
    exported = {name: getattr(hookline.voucherify, name) for name in hookline.voucherify.__all__}
    modules = [module for name, module in sys.modules.items() if name.startswith(f"{models.__name__}.")]
    # Compare names, since decoding makes other structs of the models.
    structs = {kind for module in modules for kind in vars(module).values() if is_model(kind)}
    assert {kind for kind in exported.values() if isinstance(kind, type)} == structs
    assert set(exported["MODELS"].values()) <= structs


def test_a_user_module_does_not_import_the_parts_of_hookline() -> None:
    """Only msgspec is imported too, because events are msgspec structs."""
    code = (
        "import sys\n"
        "from hookline import Notification\n"
        "import hookline.voucherify\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names))"
    )
    ran = run(sys.executable, "-c", code, cwd=ROOT)
    imported = set(ran.stdout.split())
    assert {"hookline", "msgspec", "sources", "worker"} <= imported
    assert not imported & {"aiohttp", "arq", "jinja2", "redis", "rich", "typer", "uvloop"}
    assert not imported & {"broker", "inspector", "launcher", "receiver"}


def test_python_m_hookline_is_the_command(tmp_path: Path) -> None:
    ran = run(sys.executable, "-m", "hookline", "--help", cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == run(Path(sys.executable).parent / "hookline", "--help", cwd=tmp_path).stdout
