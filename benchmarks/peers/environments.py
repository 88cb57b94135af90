"""Makes a virtual environment for each peer from the package index, and reads which versions it got."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.contenders import Contender

HOME = Path(__file__).parents[2] / ".bench-peers"

_VERSIONS = """
import importlib.metadata, json, sys
print(json.dumps({name: importlib.metadata.version(name) for name in sys.argv[1:]}))
"""


def bin_of(contender: Contender) -> Path:
    """Return the directory of the contender's programs. Makes its environment the first time.

    Raises subprocess.CalledProcessError if a package cannot be installed.
    """
    if not contender.packages:
        return Path(sys.executable).parent
    home = HOME / contender.name
    stamp, wanted = home / "packages.txt", "\n".join((sys.version, *contender.packages))
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing {' '.join(contender.packages)} into {home}", flush=True)
        _make(home, contender.packages)
        stamp.write_text(wanted)
    return home / "bin"


def versions_of(contender: Contender) -> dict[str, str]:
    """Return the versions of the packages that are shown."""
    command = [bin_of(contender) / "python", "-c", _VERSIONS, *contender.shown]
    versions: dict[str, str] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return versions


def _make(home: Path, packages: tuple[str, ...]) -> None:
    uv = shutil.which("uv")
    python = home / "bin" / "python"
    if uv:
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, home], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *packages], check=True)
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
