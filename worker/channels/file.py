"""Appends notifications to a file, one line of JSON each."""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
from functools import partial
from pathlib import Path

from msgspec import Struct

from worker.channels.bounded_executor import BoundedExecutor, in_thread
from worker.channels.errors import ChannelError
from worker.channels.http import posted
from worker.channels.settings import FileSettings
from worker.outcome import Outcome, Retry, Sent
from worker.rules.render import Message


class _Line(Struct, eq=False):
    text: bytes
    written: asyncio.Future[None]


class FileChannel:
    """A file. Messages that arrive during one write are written and synced together by the next.

    Raises ChannelError where its directory does not exist.
    """

    def __init__(self, settings: FileSettings) -> None:
        self.retry = settings.retry
        self._file = _File(checked_path(settings))
        self._timeout_s = settings.timeout_s
        self._thread = BoundedExecutor(1, timeout_s=settings.timeout_s)
        self._waiting: list[_Line] = []
        self._writer: asyncio.Task[None] | None = None

    async def send(self, message: Message) -> Outcome:
        """Append a message. It counts as sent when it is on disk."""
        line = _Line(posted(message) + b"\n", asyncio.get_running_loop().create_future())
        self._waiting.append(line)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())
        try:
            async with asyncio.timeout(self._timeout_s):
                await line.written
        except TimeoutError:
            return Retry(error=f"not on disk within {self._timeout_s:g} s", error_class="TimeoutError")
        except OSError as error:
            return Retry(error=f"{error.strerror or error}: {self._file.path}", error_class=type(error).__name__)
        finally:
            if line in self._waiting:
                self._waiting.remove(line)
        return Sent()

    async def close(self) -> None:
        """Wait for the write under way, and close the file."""
        if self._writer:
            await asyncio.wait([self._writer])
        self._thread.close()
        self._file.close()

    async def _write_all(self) -> None:
        while self._waiting:
            lines, self._waiting = self._waiting, []
            content = b"".join(line.text for line in lines)
            error: OSError | None = None
            try:
                await self._thread.run(in_thread(partial(self._file.append, content)))
            except OSError as caught:  # TimeoutError is one
                error = caught
            for line in lines:
                if line.written.done():
                    continue
                if error:
                    line.written.set_exception(error)
                else:
                    line.written.set_result(None)


class _File:
    """The open file. Calls block, one at a time; several processes may append to the same file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1
        self._lock = threading.Lock()

    def append(self, content: bytes) -> None:
        """Append whole lines and sync them to disk. Raises OSError; then none of them is in the file."""
        with self._lock:
            self._open()
            self._append(content)

    def close(self) -> None:
        """Close the file; a write that hangs keeps it open until the process ends."""
        if self._lock.acquire(blocking=False):
            self._close_files()
            self._lock.release()

    def _append(self, content: bytes) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            size = os.fstat(self._descriptor).st_size
            if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
                content = b"\n" + content  # another process died within its line, which stays separate
            try:
                left = memoryview(content)
                while left:
                    left = left[os.write(self._descriptor, left) :]
                os.fsync(self._descriptor)
            except OSError:
                os.ftruncate(self._descriptor, size)
                raise
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _close_files(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        """Open the file, again where it was moved or deleted."""
        if self._descriptor >= 0 and not self._is_there():
            self._close_files()
        if self._descriptor < 0:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._descriptor), self.path.stat())
        except FileNotFoundError:
            return False


def checked_path(settings: FileSettings) -> Path:
    """The path of the file. Raises ChannelError where no file can be written there."""
    path = Path(settings.path).expanduser()
    if not path.parent.is_dir():
        raise ChannelError("path", f"there is no directory {str(path.parent)!r}: create it first")
    if path.exists() and not path.is_file():
        raise ChannelError("path", f"{str(path)!r} is not a file")
    return path
