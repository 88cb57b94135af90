"""Secrets that too many people can read: those in the config file, and files that every user can read."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct, structs

from launcher.config.secrets import FileSecret
from launcher.config.struct_reader import joined
from launcher.errors import Fault

_SECRET_NAME = re.compile(r"auth|token|secret|passw|key|signature|credential|cookie|\bsig\b", re.IGNORECASE)


def secrets_in_file(tables: Mapping[str, Any]) -> Iterator[Fault]:
    """Values in the tables of a config file that hold a password or a token."""
    redis = tables.get("redis")
    if isinstance(redis, dict) and _has_password(redis.get("url")):
        yield Fault("redis.url", "its password is in the config file: set HOOKLINE_REDIS_URL instead")
    channels = tables.get("channels")
    for name, channel in channels.items() if isinstance(channels, dict) else ():
        if isinstance(channel, dict):
            yield from _of_channel(name, channel)


def _of_channel(name: str, channel: Mapping[str, Any]) -> Iterator[Fault]:
    path, variable = joined("channels", name), f"HOOKLINE_CHANNELS_{name.upper().replace('-', '_')}"
    if _has_password(channel.get("url")) or _has_token(channel.get("url")):
        yield Fault(joined(path, "url"), f"a secret is in the config file: set {variable}_URL instead")
    headers = channel.get("headers")
    for header in headers if isinstance(headers, dict) else ():
        if _SECRET_NAME.search(header):
            yield Fault(
                joined(joined(path, "headers"), header),
                f"a secret is in the config file: set {variable}_HEADERS instead",
            )


def _has_password(url: object) -> bool:
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
        return bool(parts.password) or any("password" in name and value for name, value in parse_qsl(parts.query))
    except ValueError:
        return "@" in url


def _has_token(url: object) -> bool:
    if not isinstance(url, str):
        return False
    return any(_SECRET_NAME.search(name) and value for name, value in parse_qsl(url.partition("?")[2]))


def open_files(config: Struct, file: Path | None, *, file_has_secrets: bool) -> Iterator[str]:
    """Files with secrets that every user of this machine can read."""
    paths = {secret.path for secret in _file_secrets(config)}
    if file is not None and file_has_secrets:
        paths.add(file)
    for path in sorted(paths):
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        if mode & stat.S_IROTH:
            yield f"{path} holds a secret and every user of this machine can read it: chmod o-r"


def _file_secrets(value: object) -> Iterator[FileSecret]:
    """Every secret of a config that was read from a file."""
    if isinstance(value, FileSecret):
        yield value
    elif isinstance(value, Struct):
        for field in structs.fields(value):
            yield from _file_secrets(getattr(value, field.name))
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _file_secrets(inner)
    elif isinstance(value, tuple):
        for inner in value:
            yield from _file_secrets(inner)
