"""Errors that keep Hookline from starting, as one tree. Each text says what is wrong, where, and how to fix it."""

from __future__ import annotations

from msgspec import Struct

from runtime.terminal_text import one_line


class LauncherError(Exception):
    """Hookline cannot run the command."""

    exit_code = 1


class Fault(Struct, frozen=True, order=True, omit_defaults=True):
    """A fault of the config."""

    path: str
    """The setting, as `receiver.port` or `rules[2].channel`, or the name of the environment variable."""

    reason: str
    """The reason in one plain sentence, which never shows a secret."""

    line: int = 0
    """The line in the config file; 0 for a setting that is not in the file."""

    def __str__(self) -> str:
        where = f" (line {self.line})" if self.line else ""
        return one_line(f"{self.path}{where}: {self.reason}")  # a variable's name may hold anything


class ConfigError(LauncherError):
    """The config has faults; `faults` has all of them."""

    exit_code = 2

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


class ListenError(LauncherError):
    """A server cannot listen on its address."""


class NoRedisError(LauncherError):
    """No Redis is configured, and none can be started."""


class EmbeddedRedisError(LauncherError):
    """The embedded Redis does not start."""


class NamespaceInUseError(LauncherError):
    """The namespace in Redis belongs to another installation."""

    exit_code = 2


class LayoutError(LauncherError):
    """The data in Redis is divided into another number of partitions than the config says."""

    exit_code = 2


class DataDirError(LauncherError):
    """The data directory cannot be used."""


class DataDirInUseError(DataDirError):
    """Another running Hookline uses the data directory."""
