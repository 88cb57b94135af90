"""The context of every command: the config, which is read when it is first used."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from msgspec import structs

from broker.dead_letters import StoredDeadLetter
from broker.monitoring.spilled import Spilled
from broker.redis.confirmation import Durability
from broker.redis.connection import Settings
from inspector.privacy.masking import Masking
from inspector.settings import DeadSettings
from launcher.composition.dead_letter_terms import buckets, terms
from launcher.composition.spill_directories import spilled_here
from launcher.config.config import Config, config_file, load
from launcher.embedded.embedded_redis import socket_path, socket_url
from launcher.errors import NoRedisError
from runtime.dry_run import DryRunResult
from sources.settings import Settings as SourceSettings


class Context:
    """The object that every command gets as `ctx.obj`."""

    def __init__(self, config_path: Path | None) -> None:
        self._config_path = config_path

    @cached_property
    def config(self) -> Config:
        """The checked config. Raises ConfigError."""
        return self.read()

    def read(self) -> Config:
        """The config as its file is now. Raises ConfigError."""
        return load(self._config_path, os.environ)

    def file(self) -> Path | None:
        """The config file, or None."""
        return config_file(self._config_path, os.environ)

    def file_text(self) -> str:
        """The text of the config file, "" without one."""
        file = self.file()
        return file.read_text(encoding="utf-8") if file else ""

    def sources(self) -> Mapping[str, SourceSettings]:
        """The configured sources by name. Raises ConfigError."""
        return self.config.sources

    def channels(self) -> Collection[str]:
        """The names of the configured channels. Raises ConfigError."""
        return self.config.channels

    def spilled(self) -> Mapping[str, Spilled]:
        """Webhooks in receiver.spill_dir, by location; empty without such a directory here. Raises ConfigError."""
        return spilled_here(self.config.receiver)

    def dry_run(self) -> Callable[[StoredDeadLetter], DryRunResult]:
        """Returns the dry run of dead letters with this config. Raises ConfigError."""
        from launcher.composition.dry_runs import dry_run  # noqa: PLC0415 - most commands need no worker components

        return dry_run(self.config)

    def masking(self) -> Masking:
        """Masking by inspector.masked_paths and shown_paths. Raises ConfigError."""
        return Masking(self.config.inspector.masked_paths, self.config.inspector.shown_paths)

    def user(self) -> str:
        """`cli:ann@host`, with the user's number if the user has no name."""
        try:
            name = getpass.getuser()
        except (KeyError, OSError):  # 3.13 raises the latter
            name = str(os.getuid())
        return f"cli:{name}@{socket.gethostname()}"

    def writes_history(self) -> bool:
        """Return whether a history of events is written. Raises ConfigError."""
        return self.config.history.is_on

    def search_terms(self) -> Callable[[StoredDeadLetter], Sequence[str]]:
        """Return a function that lists the search terms of a dead letter. Raises ConfigError."""
        return terms(self.config.sources)

    def event_bucket(self) -> Callable[[StoredDeadLetter], int | None]:
        """Return a function that finds the bucket of a dead letter's event. Raises ConfigError."""
        return buckets(self.config.sources)

    def durability(self) -> Durability:
        """The durability of webhooks. Raises ConfigError."""
        return Durability(self.config.receiver.durability, self.config.receiver.replicas)

    def retention(self) -> DeadSettings:
        """The settings that limit how many dead letters are kept, and for how long. Raises ConfigError."""
        return self.config.dead

    def redis(self) -> Settings:
        """The configured Redis, else the one of a running `hookline up`. Raises ConfigError, NoRedisError."""
        config = self.config
        if config.redis.url:
            return config.redis
        if _listens(socket_path(config.data_dir)):
            return structs.replace(config.redis, url=socket_url(config.data_dir))
        raise NoRedisError(
            "no Redis to use: set REDIS_URL, or redis.url in hookline.toml, "
            f"or start `hookline up` (not running in {config.data_dir}; HOOKLINE_UP_DATA_DIR changes that)"
        )


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True
