"""The current config: reloaded on SIGHUP. The files of sources' secrets are read again about once a second."""

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
from launcher.supervisor.reload_signal import on_reload_signal
from receiver.errors import StartError
from sources.secret import Secret
from sources.settings import Settings

_CHECK_SECRETS_EVERY_S = 1.0

log = logging.getLogger("hookline.launcher")

_RESTART_SECTIONS = ("redis", "receiver", "worker", "inspector", "up", "log")
"""The sections that a running process does not reload, except for the settings below."""

_RELOADABLE_SETTINGS = {("inspector", "masked_paths"), ("inspector", "shown_paths")}


class ReloadableConfig:
    """Holds the last valid config. Faults of a new one are logged, and the old one stays in force.

    A fork takes a copy along, so that a child that is started late begins with the current config. Only the
    process that made the object logs; the copies in its children are silent.
    """

    def __init__(self, config: Config, read: Callable[[], Config]) -> None:
        """`read`: returns the checked config as it is now. Raises LauncherError or StartError."""
        self.current = config
        self._first = config
        self._read = read
        self._faults: dict[str, str] = {}
        self._logging_pid = os.getpid()

    def reload(self) -> bool:
        """Read the config again. Returns whether it was valid and is now in force."""
        try:
            self.current = self._read()
        except (LauncherError, StartError) as error:
            faults = [str(fault) for fault in error.faults] if isinstance(error, ConfigError) else [str(error)]
            for fault in faults:
                self._log(logging.ERROR, "reload_refused", f"the config was not reloaded: {fault}")
            return False
        except Exception:
            log.exception("the config was not reloaded", extra={"action": "reload_failed"})
            return False
        names = self._changed_but_not_reloaded()
        note = f"; these settings change only with a restart: {', '.join(names)}" if names else ""
        self._log(logging.INFO, "config_reloaded", f"the config was reloaded{note}")
        return True

    def reload_secrets(self) -> bool:
        """Read the secrets' files again. Returns whether a secret has changed.

        Where a file is gone or holds no valid secret, the old secret stays in force, and the fault is logged once.
        """
        sources = self.current.sources
        fresh = {name: self._with_new_secrets(name, source) for name, source in sources.items()}
        if fresh == sources:
            return False
        self.current = structs.replace(self.current, sources=fresh)
        return True

    async def updates(self, *, watch_secrets: bool = False) -> AsyncIterator[Config]:
        """Yields the config each time that it was reloaded. Listens to SIGHUP; call it once in a process.

        watch_secrets: yields it also when a source's secret has changed.
        """
        signalled = asyncio.Event()
        on_reload_signal(signalled.set)
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(signalled.wait(), _CHECK_SECRETS_EVERY_S if watch_secrets else None)
            reload = self.reload if signalled.is_set() else self.reload_secrets
            signalled.clear()
            # In a thread, since a file may be on a slow disk.
            if await asyncio.to_thread(reload):
                yield self.current

    def _changed_but_not_reloaded(self) -> list[str]:
        """The settings that were changed and that only a restart brings into force."""
        pairs = ((name, getattr(self._first, name), getattr(self.current, name)) for name in _RESTART_SECTIONS)
        return [
            f"{name}.{field}"
            for name, first, now in pairs
            for field in first.__struct_fields__
            if (name, field) not in _RELOADABLE_SETTINGS and getattr(first, field) != getattr(now, field)
        ]

    def _with_new_secrets(self, name: str, source: Settings) -> Settings:
        secrets = tuple(self._reread(name, source.secrets))
        return source if secrets == source.secrets else structs.replace(source, secrets=secrets)

    def _reread(self, name: str, secrets: tuple[Secret, ...]) -> Iterator[Secret]:
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
                    self._log(logging.ERROR, "secret_refused", f"source {name} keeps its old secret: {error}")
                yield secret
                continue
            self._faults.pop(place, None)
            if fresh != secret:
                self._log(logging.INFO, "secret_rotated", f"source {name} has a new secret from {secret.path}")
            yield fresh

    def _log(self, level: int, action: str, sentence: str) -> None:
        if os.getpid() == self._logging_pid:
            log.log(level, "%s", sentence, extra={"action": action})
