"""What can keep Hookline from starting, as one tree. Each reads as what, where and how to mend."""

from __future__ import annotations

from msgspec import Struct

from runtime.terminal_text import one_line


class LauncherError(Exception):
    """Hookline cannot do what was asked."""

    exit_code = 1


class Fault(Struct, frozen=True, order=True, omit_defaults=True):
    """One thing wrong with the config."""

    path: str
    """Where: `receiver.port`, `rules[2].channel`, or the environment variable's name when it came from there."""

    reason: str
    """One plain sentence, which never shows a secret."""

    line: int = 0
    """Where that is in the config file; 0 where it is not from there."""

    def __str__(self) -> str:
        where = f" (line {self.line})" if self.line else ""
        return one_line(f"{self.path}{where}: {self.reason}")  # a variable's name may hold anything


class ConfigError(LauncherError):
    """The config has faults: all of them, in `faults`."""

    exit_code = 2

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


class ListenError(LauncherError):
    """The receiver's address cannot be listened on."""


class NoRedisError(LauncherError):
    """No Redis was given and none can be started."""


class EmbeddedRedisError(LauncherError):
    """The embedded Redis does not start."""


class NamespaceInUseError(LauncherError):
    """The namespace in Redis belongs to another installation."""

    exit_code = 2


class DataDirError(LauncherError):
    """The data directory cannot be used."""


class DataDirInUseError(DataDirError):
    """Another running Hookline uses the data directory."""
