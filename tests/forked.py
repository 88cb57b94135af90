"""Runs a module of Hookline as `python -m MODULE` does, in a fork of a process that has imported its modules.

A new Python needs over half a second of CPU time to import them, which is most of what a short command takes and
much of what a test with a few processes takes.
"""

from __future__ import annotations

import atexit
import gc
import multiprocessing
import multiprocessing.util
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from launcher.supervisor.parent_death import die_with_parent

_FORKS = multiprocessing.get_context("forkserver")
# A name that an older version of a library lacks is skipped.
_FORKS.set_forkserver_preload(
    [
        # The command line imports these late, when it reads its arguments or shows help.
        "pydantic.fields",
        "pydantic.functional_validators",
        "pydantic.type_adapter",
        "rich.markdown",
        "typer.rich_utils",
        "launcher.cli",
        "launcher.commands.check.check",
        "launcher.composition.command_context",
        "launcher.composition.components",
        "launcher.composition.logs",
        "launcher.composition.up",
        "inspector.cli",
        "tests.worker_process",
        __name__,
    ]
)


# At the end, multiprocessing waits for its processes. What is registered last runs first, so this comes after its
# import.
@atexit.register
def _kill_the_rest() -> None:
    for process in multiprocessing.active_children():
        process.kill()


class Fork:
    """A process with the methods of subprocess.Popen that tests use. It ends with the process that started it.

    What Python reads from `env` at its start, as PYTHONUTF8, has no effect, except PYTHONPATH.

    stdout, stderr: files that get the output; without them it goes where the output of the tests goes.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        cwd: Path,
        env: Mapping[str, str],
        stdout: Path | None = None,
        stderr: Path | None = None,
    ) -> None:
        files = {number: file for number, file in ((1, stdout), (2, stderr)) if file}
        self._process = _FORKS.Process(target=_become, args=(module, arguments, cwd, dict(env), files))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def send_signal(self, signum: signal.Signals) -> None:
        if self.returncode is None:
            os.kill(self.pid, signum)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end, and return the exit code. Raises subprocess.TimeoutExpired after `timeout` seconds."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0.0)
        return self.returncode


def run_forked(
    arguments: tuple[str, ...], *, cwd: Path, env: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run `python -m launcher` with these arguments to its end.

    Raises subprocess.TimeoutExpired if the command runs longer than `seconds`.
    """
    with tempfile.TemporaryDirectory(prefix="hookline-") as directory:
        stdout, stderr = (Path(directory) / name for name in ("stdout", "stderr"))
        fork = Fork("launcher", *arguments, cwd=cwd, env=env, stdout=stdout, stderr=stderr)
        try:
            code = fork.wait(seconds)
        finally:
            fork.kill()
        return subprocess.CompletedProcess(arguments, code, stdout.read_text(), stderr.read_text())


def _become(
    module: str, arguments: tuple[str, ...], cwd: Path, env: dict[str, str], files: Mapping[int, Path]
) -> None:
    die_with_parent(os.getppid(), signal.SIGKILL)
    gc.freeze()  # what is imported stays until the end, and need not be searched for garbage
    for descriptor, file in files.items():
        opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, descriptor)
        os.close(opened)
    # One of the others keeps the parent alive, which is to end with the tests.
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    sys.path[:0] = [str(cwd), *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
