"""The recorded counts, and the comparison with new ones."""

from __future__ import annotations

import platform
import ssl
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

import msgspec
from msgspec import Struct

from benchmarks.instructions import callgrind

FILE = Path(__file__).with_name("recorded.json")

LIMIT = 0.03
"""The share by which a count may be above the recorded one."""

_LIBRARIES = (
    *("aiohttp", "arq", "hiredis", "jinja2", "msgspec", "multidict", "redis", "uvloop", "yarl", "zstandard"),
)


class Recorded(Struct, frozen=True):
    """The counts of one Python."""

    versions: Mapping[str, str]
    """The versions of all that the counts depend on: they say nothing about others."""

    counts: Mapping[str, int]
    """By path: the instructions for each event."""


def python() -> str:
    """Return the name under which the counts of this Python are recorded, such as `3.11`."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def versions() -> dict[str, str]:
    """Return the versions of all that changes the counts."""
    return {
        # The same release built otherwise needs other instructions.
        "Python": " ".join(sys.version.split()),
        "libc": " ".join(platform.libc_ver()),
        "OpenSSL": ssl.OPENSSL_VERSION,
        "valgrind": callgrind.version(),
        # Valgrind shows programs one of a few processors, by what the real one is able to do.
        "processor": callgrind.processor(),
        **{name: version(name) for name in _LIBRARIES},
    }


def read() -> dict[str, Recorded]:
    """Return the recorded counts, by Python."""
    return msgspec.json.decode(FILE.read_bytes(), type=dict[str, Recorded]) if FILE.exists() else {}


def write(counts: Mapping[str, float], now: Mapping[str, str]) -> None:
    """Record counts of this Python anew. now: its versions; if they are the recorded ones, other counts stay."""
    recorded = read()
    before = recorded.get(python())
    kept = before.counts if before and before.versions == now else {}
    new = Recorded(now, {**kept, **{name: round(count) for name, count in counts.items()}})
    text = msgspec.json.format(msgspec.json.encode(dict(sorted({**recorded, python(): new}.items()))), indent=2)
    FILE.write_bytes(text + b"\n")


def differences(recorded: Recorded, now: Mapping[str, str]) -> Iterator[str]:
    """Yield each version that is not the recorded one."""
    for name, running in now.items():
        if (then := recorded.versions.get(name, "none")) != running:
            yield f"{name} is {running}, recorded with {then}"


def too_many(recorded: Recorded, counts: Mapping[str, float]) -> Iterator[str]:
    """Yield what is to be said of each path that needs more instructions than it may."""
    for name, count in counts.items():
        before = recorded.counts.get(name)
        if before is None:
            yield f"{name}: nothing is recorded"
        elif count > before * (1 + LIMIT):
            yield (
                f"{name}: {count:,.0f} instructions for an event, {count / before - 1:.1%} above the recorded "
                f"{before:,}; at most {LIMIT:.0%} are allowed"
            )
