"""What the commands share: the config, read when first asked for."""

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
from broker.redis.connection import Settings
from inspector.privacy.masking import Masking
from inspector.settings import DeadSettings
from launcher.composition.dead_letter_terms import terms
from launcher.composition.spill_directories import spilled_here
from launcher.config.config import Config, config_file, load
from launcher.embedded.embedded_redis import socket_path, socket_url
from launcher.errors import NoRedisError
from runtime.dry_run import DryRunResult
from sources.settings import Settings as SourceSettings


class Context:
    """Given to every command as `ctx.obj`."""

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
        """The config file, None where there is none."""
        return config_file(self._config_path, os.environ)

    def file_text(self) -> str:
        """What the config file says, "" where there is none."""
        file = self.file()
        return file.read_text(encoding="utf-8") if file else ""

    def sources(self) -> Mapping[str, SourceSettings]:
        """The configured sources by name. Raises ConfigError."""
        return self.config.sources

    def channels(self) -> Collection[str]:
        """The names of the configured channels. Raises ConfigError."""
        return self.config.channels

    def spilled(self) -> Mapping[str, Spilled]:
        """What lies in receiver.spill_dir, by place: none where this machine has none. Raises ConfigError."""
        return spilled_here(self.config.receiver)

    def dry_run(self) -> Callable[[StoredDeadLetter], DryRunResult]:
        """What workers with this config would make of a dead letter. Raises ConfigError."""
        from launcher.composition.dry_runs import dry_run  # noqa: PLC0415 - most commands do without a worker's parts

        return dry_run(self.config)

    def masking(self) -> Masking:
        """What inspector.masked_paths and shown_paths hide. Raises ConfigError."""
        return Masking(self.config.inspector.masked_paths, self.config.inspector.shown_paths)

    def user(self) -> str:
        """`cli:ann@host`; of a user without a name, the number."""
        try:
            name = getpass.getuser()
        except (KeyError, OSError):  # 3.13 raises the latter
            name = str(os.getuid())
        return f"cli:{name}@{socket.gethostname()}"

    def search_terms(self) -> Callable[[StoredDeadLetter], Sequence[str]]:
        """Tells what a dead letter can be found by. Raises ConfigError."""
        return terms(self.config.sources)

    def retention(self) -> DeadSettings:
        """How long dead letters are kept. Raises ConfigError."""
        return self.config.dead

    def redis(self) -> Settings:
        """The Redis that is configured, else that of a running `hookline up`. Raises ConfigError, NoRedisError."""
        config = self.config
        if config.redis.url:
            return config.redis
        if _listens(socket_path(config.data_dir)):
            return structs.replace(config.redis, url=socket_url(config.data_dir))
        raise NoRedisError(
            "no Redis to use: set REDIS_URL, or redis.url in hookline.toml, "
            f"or start `hookline up` (none runs in {config.data_dir}; HOOKLINE_UP_DATA_DIR names another)"
        )


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True
