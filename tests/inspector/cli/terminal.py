"""Runs a command at a real terminal, to test its questions, its drawing and Ctrl-C."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from tests.until import until

CTRL_C = b"\x03"
_UP, _ERASE = "\x1b[1A", "\x1b[2K"
_STEERING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A command whose stdin, stdout and stderr are a terminal of its own."""

    def __init__(self, process: subprocess.Popen[bytes], ours: int) -> None:
        self._process = process
        self._ours = ours
        self._said = bytearray()

    @property
    def said(self) -> str:
        """The output so far, with its control sequences."""
        try:
            while piece := os.read(self._ours, 65536):
                self._said.extend(piece)
        except BlockingIOError:
            pass
        except OSError:  # EIO: the command ended
            pass
        return self._said.decode("utf-8", "replace")  # an echoed ^C may split a character

    @property
    def frames(self) -> list[str]:
        """Each line as often as it was drawn, without control sequences."""
        return re.split(r"[\r\n]+", _STEERING.sub("", self.said))

    @property
    def drawn(self) -> list[str]:
        """The lines on the screen, without those that were overwritten or erased."""
        lines, row = [""], 0
        for piece in re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|\r|\n)", self.said):
            if piece == "\n":
                row += 1
                lines += [""] * (row + 1 - len(lines))
            elif piece == _UP:
                row -= 1
            elif piece == _ERASE:
                lines[row] = ""
            elif piece != "\r" and not _STEERING.fullmatch(piece):
                lines[row] += piece
        return lines

    async def says(self, text: str) -> None:
        def said() -> bool:
            assert text in self.said or self._process.poll() is None, self.said
            return text in self.said

        await until(said)

    def types(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    async def ends(self) -> int:
        """Wait until the command ends. Returns its exit code."""
        await until(lambda: (self.said, self._process.poll())[1] is not None)
        return int(self._process.returncode)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)


@asynccontextmanager
async def terminal(
    command: Sequence[str], *, columns: int = 80, env: Mapping[str, str] | None = None
) -> AsyncIterator[Terminal]:
    """Run a command at a terminal of 24 lines; it is killed at the end if it still runs."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    os.set_blocking(ours, False)
    kept = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}}

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = await asyncio.to_thread(
        subprocess.Popen,
        list(command),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=kept | {"TERM": "xterm-256color"} | dict(env or {}),
        preexec_fn=take_terminal,
    )
    os.close(theirs)
    window = Terminal(process, ours)
    try:
        yield window
    finally:
        window.close()
