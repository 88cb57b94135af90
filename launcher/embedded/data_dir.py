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

_OLD_CHILDREN_S = 40.0
"""Seconds to wait for the children of a killed `hookline up`: more than a worker's default stop_grace_s."""

_POLL_S = 0.1

_OF_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class DataDir:
    """A directory that no other user may enter, held by a lock.

    The lock is a flock on a file in it, which the kernel releases however its holder ends. Every process that
    inherits the descriptor holds the lock too: the directory is free when the last of them has ended.
    """

    def __init__(self, path: Path, *, print_line: Callable[[str], None] = lambda _: None) -> None:
        """Create the directory if needed, and take its lock.

        Waits while the children of a killed `hookline up` end, and prints that. Raises DataDirInUseError if a
        running one holds it, DataDirError if it cannot be created or written.
        """
        self.path = path.absolute()
        make_data_dir(self.path)
        try:
            self.lock_descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _unusable(self.path, error) from None
        try:
            self._take(print_line)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Release the lock that this process holds."""
        os.close(self.lock_descriptor)

    def __enter__(self) -> DataDir:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self, print_line: Callable[[str], None]) -> None:
        deadline = time.monotonic() + _OLD_CHILDREN_S
        is_waiting = False
        while not self._try():
            owner = self._owner()
            if owner is None or _is_alive(owner) or time.monotonic() > deadline:
                raise DataDirInUseError(
                    f"another hookline{f' (process {owner})' if owner else ''} uses {self.path}: "
                    "stop it, or set HOOKLINE_UP_DATA_DIR to another directory"
                )
            if not is_waiting:
                print_line(f"Waiting for the processes of the last run in {self.path} to end")
                is_waiting = True
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
    """Create the directory if needed, for this user only. Raises DataDirError.

    An existing directory that other users may enter is an error, since it would hold personal data and secrets.
    Its mode is not changed, since other programs may rely on it.
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
            "or chmod 700 it if only Hookline uses it"
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
