"""Runs `hookline up` in a process of its own for the demo."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct

SOURCE = "voucherify"

_START_S = 30.0
_STOP_S = 30.0
_COMMAND_S = 30.0
_STEP_S = 0.02


class Response(Struct, frozen=True):
    """The receiver's response to a webhook."""

    status: int
    text: str


class Stack:
    """Runs `hookline up` in `directory` on a free port. The end of the context stops it in any case."""

    def __init__(self, directory: Path) -> None:
        self.data_dir = directory / "data"
        self._directory = directory
        self._port = _free_port()
        self._environ = _environ(self.data_dir, self._port)
        self._lines: list[str] = []
        self._process: subprocess.Popen[str] | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            _command("up"),
            cwd=self._directory,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C is for the demo, which then stops this in order
        )
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None:
            return
        if self.stop() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._reader.join(_STOP_S)

    def becomes_ready(self) -> bool:
        """Wait until it accepts webhooks; False if it ended or took too long."""
        return self.wait(lambda: not self._runs() or self._get("/readyz") == 200, _START_S) and self._runs()

    def post(self, body: bytes, signature: Mapping[str, str], query: str = "") -> Response:
        """Send one webhook, and return the response."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/webhooks/{SOURCE}{query}",
            data=body,
            headers={"Content-Type": "application/json", **signature},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
                return Response(response.status, response.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Response(error.code, error.read().decode())

    def printed(self, *words: str) -> list[str]:
        """The printed lines that contain all these words."""
        return [line for line in list(self._lines) if all(word in line for word in words)]

    def last_lines(self) -> list[str]:
        """The last lines that it printed."""
        return self._lines[-12:]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another hookline command beside it, as a person would."""
        return subprocess.run(  # noqa: S603 - our own command
            _command(*arguments),
            cwd=self._directory,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND_S,
            check=False,
        )

    def wait(self, fact: Callable[[], object], seconds: float = 15.0) -> bool:
        """Wait until the fact holds; False after `seconds`."""
        deadline = time.monotonic() + seconds
        while not fact():
            if time.monotonic() > deadline:
                return False
            time.sleep(_STEP_S)
        return True

    def stop(self) -> int | None:
        """Stop it with SIGINT, like Ctrl-C. Returns its exit code, or None if it does not end."""
        if self._process is None:
            return None
        if self._runs():
            self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            return None

    def _runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _get(self, path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=2) as response:
                return int(response.status)
        except (OSError, http.client.HTTPException):
            return 0

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        with self._process.stdout as output:
            self._lines.extend(line.rstrip() for line in output)


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "launcher", *arguments]


def _environ(data_dir: Path, port: int) -> dict[str, str]:
    """The environment without the caller's own Hookline and Redis, which the demo must not use."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HOOKLINE_", "REDIS_"))}
    code = str(Path(__file__).resolve().parents[3])
    path = os.pathsep.join(part for part in (code, kept.get("PYTHONPATH", "")) if part)
    return kept | {
        "PYTHONPATH": path,
        "COLUMNS": "100",
        "HOOKLINE_RECEIVER_PORT": str(port),
        "HOOKLINE_INSPECTOR_PORT": "0",
        "HOOKLINE_UP_DATA_DIR": str(data_dir),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
