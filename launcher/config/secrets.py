"""Signing secrets from the environment, from a file, or generated and kept by `hookline up`."""

from __future__ import annotations

import os
from pathlib import Path

from sources.secret import Secret

MIN_BYTES = 8
"""A shorter secret is rejected as a mistake, such as a placeholder or an incomplete copy."""

FILE = "file:"
"""How the value of a setting begins that names a file with the real value."""


class SecretError(ValueError):
    """A secret cannot be used. The message never shows it."""


class FileSecret(Secret):
    """A secret that knows its file, so that it can be read again when it is rotated."""

    __slots__ = ("path",)

    def __init__(self, value: bytes, path: Path) -> None:
        super().__init__(value)
        self.path = path

    def read_again(self) -> Secret:
        """The secret that is in the file now. Raises SecretError."""
        return _from_file(self.path)


def read_secret(setting: str, *, directory: Path, from_environment: bool) -> Secret:
    """The secret of a setting: `file:PATH` (relative to `directory`), or, from the environment, the secret itself.

    Raises SecretError.
    """
    if setting.startswith(FILE):
        return _from_file(directory / setting[len(FILE) :].strip())
    if not from_environment:
        raise SecretError(
            'a secret does not belong in this file: write "file:/path", or set it in the environment'
        )
    return Secret(_checked(setting.encode(errors="surrogateescape"), "the secret"))


def secret_path(data_dir: Path, source: str) -> Path:
    """The file where `hookline up` keeps the secret that it generated for a source."""
    return data_dir / f"{source}.secret"


def stored_secret(data_dir: Path, source: str) -> Secret | None:
    """The secret that `hookline up` generated for this source, or None. Raises SecretError."""
    path = secret_path(data_dir, source)
    return _from_file(path) if path.exists() else None


def keep_secret(data_dir: Path, source: str, value: str) -> Secret:
    """Store a generated secret, readable by its owner only. A crash leaves the whole file or none."""
    path = secret_path(data_dir, source)
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(value + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    return FileSecret(value.encode(), path)


def _from_file(path: Path) -> Secret:
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise SecretError(f"cannot read the secret's file {str(path)!r}: {reason}") from None
    value = _checked(content, f"the secret in {str(path)!r}")
    return FileSecret(value, path) if path.is_file() else Secret(value)  # a pipe can be read only once


def _checked(content: bytes, what: str) -> bytes:
    value = content.strip()
    if not value:
        raise SecretError(f"{what} is empty")
    if len(value) < MIN_BYTES:
        raise SecretError(f"{what} is too short: it needs {MIN_BYTES} characters or more")
    return value
