"""The directory that belongs to one `hookline up` at a time."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from launcher.errors import DataDirError, DataDirInUseError

_LEFTOVERS_S = 40.0
"""Seconds that the children of a killed `hookline up` may take to end: longer than a worker's default grace."""

_POLL_S = 0.1

_OF_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class DataDir:
    """An existing directory that no other user may enter, held by a lock.

    The lock is a flock on a file in it, so that the kernel gives it back however its holders end. Every process
    that inherits the descriptor holds it too: a data directory is free when the last of them has ended.
    """

    def __init__(self, path: Path, *, tell: Callable[[str], None] = lambda _: None) -> None:
        """Make the directory where needed and take its lock.

        Waits, and tells so, while the children of a killed `hookline up` end. Raises DataDirInUseError when a
        living one holds it, DataDirError when it cannot be made or written.
        """
        self.path = path.absolute()
        make_data_dir(self.path)
        try:
            self.lock_descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _unusable(self.path, error) from None
        try:
            self._take(tell)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the lock back, as far as this process holds it."""
        os.close(self.lock_descriptor)

    def __enter__(self) -> DataDir:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self, tell: Callable[[str], None]) -> None:
        deadline = time.monotonic() + _LEFTOVERS_S
        told = False
        while not self._try():
            owner = self._owner()
            if owner is None or _is_alive(owner) or time.monotonic() > deadline:
                raise DataDirInUseError(
                    f"another hookline{f' (process {owner})' if owner else ''} uses {self.path}: "
                    "stop it, or set HOOKLINE_UP_DATA_DIR to another directory"
                )
            if not told:
                tell(f"Waiting for the processes of the last run in {self.path} to end")
                told = True
            time.sleep(_POLL_S)
        os.ftruncate(self.lock_descriptor, 0)
        os.pwrite(self.lock_descriptor, str(os.getpid()).encode(), 0)

    def _try(self) -> bool:
        try:
            fcntl.flock(self.lock_descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return False
            raise DataDirError(f"cannot lock {self.path}: {error.strerror}") from None
        return True

    def _owner(self) -> int | None:
        content = os.pread(self.lock_descriptor, 20, 0)
        return int(content) if content.isdigit() else None


def make_data_dir(path: Path) -> None:
    """Make the directory where needed, for this user only.

    The mode of one that exists is never changed: others may rely on it. Raises DataDirError, also where an
    existing one is open to other users, since it would hold personal data and secrets.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700)
    except FileExistsError:
        _check_private(path)
    except OSError as error:
        raise _unusable(path, error) from None


def _check_private(path: Path) -> None:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        is_directory = path.is_dir()
    except OSError as error:
        raise _unusable(path, error) from None
    if not is_directory:
        raise _unusable(path, NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)))
    if mode & _OF_OTHERS:
        raise DataDirError(
            f"cannot use {path} as data directory: other users may enter it (mode {mode:o}): "
            f"set HOOKLINE_UP_DATA_DIR to a directory that does not exist yet, like {path / 'hookline'}, "
            "or chmod 700 it if it is for Hookline alone"
        )


def _unusable(path: Path, error: OSError) -> DataDirError:
    return DataDirError(
        f"cannot use {path} as data directory: {error.strerror}: "
        "set HOOKLINE_UP_DATA_DIR to one that this user may write"
    )


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
