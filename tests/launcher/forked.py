"""Runs a Hookline command in a fork of a process that has imported its modules.

A new Python needs half a second to import them, which is most of what a short command takes.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "launcher.cli",
        "launcher.composition.command_context",
        "launcher.commands.check.check",
        "worker.main",
        __name__,
    ]
)


def run_forked(
    arguments: tuple[str, ...], *, cwd: Path, env: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run `python -m launcher` with these arguments to its end.

    What Python reads from `env` at its start, as PYTHONUTF8, has no effect.

    Raises subprocess.TimeoutExpired if the command runs longer than `seconds`.
    """
    with tempfile.TemporaryDirectory(prefix="hookline-") as directory:
        printed = [Path(directory) / name for name in ("stdout", "stderr")]
        process = _FORKS.Process(target=_become, args=(arguments, cwd, dict(env), *printed))
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(arguments, seconds)
        return subprocess.CompletedProcess(arguments, process.exitcode, *(file.read_text() for file in printed))


def _become(arguments: tuple[str, ...], cwd: Path, env: dict[str, str], stdout: Path, stderr: Path) -> None:
    for descriptor, file in ((1, stdout), (2, stderr)):
        opened = os.open(file, os.O_WRONLY | os.O_CREAT)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.path.insert(0, str(cwd))
    sys.argv = ["hookline", *arguments]
    runpy.run_module("launcher", run_name="__main__", alter_sys=True)
