"""What can keep Hookline from starting, as one tree. Each reads as what, where and how to mend."""

from __future__ import annotations

from msgspec import Struct


class LauncherError(Exception):
    """Hookline cannot do what was asked."""

    exit_code = 1


class Fault(Struct, frozen=True, order=True):
    """One thing wrong with the config."""

    path: str
    """Where: `receiver.port`, `rules[2].channel`, or the environment variable's name when it came from there."""

    reason: str
    """One plain sentence, which never shows a secret."""

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


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


class DataDirError(LauncherError):
    """The data directory cannot be used."""


class DataDirInUseError(DataDirError):
    """Another running Hookline uses the data directory."""
