"""The config as it stands now: read again on SIGHUP; the files of sources' secrets about once a second."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator

from msgspec import structs

from launcher.config.config import Config
from launcher.config.secrets import FileSecret, SecretError
from launcher.errors import ConfigError, LauncherError
from launcher.supervisor.reload_signal import on_hangup
from receiver.errors import StartError
from sources.secret import Secret
from sources.settings import Settings

_LOOK_EVERY_S = 1.0

logger = logging.getLogger("hookline.config")

_STAYING = ("redis", "receiver", "worker", "inspector", "up", "log")
"""The sections that a running process does not take over, but for these settings of theirs."""

_TAKEN_OVER = {("inspector", "masked_paths"), ("inspector", "shown_paths")}


class LiveConfig:
    """Holds the last sound config. What is faulty is told and changes nothing.

    A fork takes its own copy along, so that a child started late begins with what holds by then. The process that
    made it tells what happens; the copies in its children are silent.
    """

    def __init__(self, config: Config, read: Callable[[], Config]) -> None:
        """`read`: the checked config as it is now. Raises LauncherError or StartError."""
        self.current = config
        self._first = config
        self._read = read
        self._faults: dict[str, str] = {}
        self._teller = os.getpid()

    def reload(self) -> bool:
        """Read the config again. Returns whether it was sound and is now what holds."""
        try:
            self.current = self._read()
        except (LauncherError, StartError) as error:
            faults = [str(fault) for fault in error.faults] if isinstance(error, ConfigError) else [str(error)]
            for fault in faults:
                self._tell(logging.ERROR, "reload_refused", f"the config was not taken over: {fault}")
            return False
        except Exception:
            logger.exception("the config was not taken over", extra={"action": "reload_failed"})
            return False
        stays = self._staying()
        told = f"; until a restart these stay as they were: {', '.join(stays)}" if stays else ""
        self._tell(logging.INFO, "config_reloaded", f"the config was read again{told}")
        return True

    def rotate(self) -> bool:
        """Read the secrets' files again. Returns whether a secret has changed.

        A file that is gone or holds no proper secret leaves the old one in force, and is told of once.
        """
        sources = self.current.sources
        fresh = {name: self._rotated(name, source) for name, source in sources.items()}
        if fresh == sources:
            return False
        self.current = structs.replace(self.current, sources=fresh)
        return True

    async def updates(self, *, rotating: bool = False) -> AsyncIterator[Config]:
        """The config anew, whenever it was read again. Listens to SIGHUP; call it once in a process.

        rotating: also whenever a source's secret has changed.
        """
        asked = asyncio.Event()
        on_hangup(asked.set)
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asked.wait(), _LOOK_EVERY_S if rotating else None)
            read = self.reload if asked.is_set() else self.rotate
            asked.clear()
            if await asyncio.to_thread(read):  # a file may lie on a disk that takes its time
                yield self.current

    def _staying(self) -> list[str]:
        """The settings that were changed and count from a restart."""
        pairs = ((name, getattr(self._first, name), getattr(self.current, name)) for name in _STAYING)
        return [
            f"{name}.{field}"
            for name, first, now in pairs
            for field in first.__struct_fields__
            if (name, field) not in _TAKEN_OVER and getattr(first, field) != getattr(now, field)
        ]

    def _rotated(self, name: str, source: Settings) -> Settings:
        secrets = tuple(self._newest(name, source.secrets))
        return source if secrets == source.secrets else structs.replace(source, secrets=secrets)

    def _newest(self, name: str, secrets: tuple[Secret, ...]) -> Iterator[Secret]:
        for secret in secrets:
            if not isinstance(secret, FileSecret):
                yield secret
                continue
            place = f"{name} {secret.path}"
            try:
                fresh = secret.read_again()
            except SecretError as error:
                if self._faults.get(place) != str(error):
                    self._faults[place] = str(error)
                    self._tell(logging.ERROR, "secret_refused", f"source {name} keeps its old secret: {error}")
                yield secret
                continue
            self._faults.pop(place, None)
            if fresh != secret:
                self._tell(logging.INFO, "secret_rotated", f"source {name} has a new secret from {secret.path}")
            yield fresh

    def _tell(self, level: int, action: str, sentence: str) -> None:
        if os.getpid() == self._teller:
            logger.log(level, "%s", sentence, extra={"action": action})
