"""The contract that a provider's package fulfils."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from sources.event import Event
from sources.secret import Secret


class Verify(Protocol):
    """Checks a signature over the raw bytes in constant time; raises SignatureError."""

    def __call__(self, body: bytes, signature: str | None, *, secrets: Sequence[Secret]) -> None:
        """Pass or raise."""
        ...


class SourceKind(Struct, frozen=True):
    """One provider's webhooks, as pure functions without I/O."""

    name: str
    signature_header: str
    sign: Callable[[bytes, Secret], str]
    verify: Verify
    decode: Callable[[bytes, str], Event]
    """(body, event name hinted by the URL or "") -> Event. Raises DecodeError and nothing else."""

    view: Callable[[bytes], Mapping[str, Any]]
    """The body as what templates see: every key of the payload. Raises DecodeError."""

    sample: Callable[[int, str], bytes]
    """(number, event name) -> a body as the provider would send it; another number is another event."""
