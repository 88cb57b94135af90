"""Prevents a second installation from using the namespace, and so the webhooks, of another one.

Redis stores the sources of the installation that owns the namespace: the name, the kind and hashes of the signing
secrets of each. An installation that shares no source with them is a different one, and needs its own namespace.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from msgspec import Struct

from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.scripting.scripts import FULL, PAIRS, Script

_CLAIM_NAMESPACE = Script(
    "namespace/claim_namespace",
    parts=(FULL, PAIRS),
    keys=("installation", "layout"),
    args=("mode", "partitions", "sources: packed"),
)


class Sender(Struct, frozen=True):
    """The facts about a source by which installations are distinguished."""

    name: str
    kind: str
    secrets: tuple[bytes, ...]
    """The signing secrets; () in a process that does not verify signatures."""


class Claim(Struct, frozen=True):
    """The answer to a claim."""

    against: tuple[str, ...]
    """The names of conflicting sources; () if the namespace belongs to this installation."""

    layout: str
    """The layout of the data: see broker/namespace/layout.py."""


async def claim(redis: Client, senders: Iterable[Sender], *, partitions: int = 1, accept: bool = False) -> Claim:
    """Make this installation the owner of the namespace, and fix the number of its partitions.

    A source conflicts if the owner has a source of the same name with another kind or without a common secret. If
    no source is shared, all sources of the owner conflict. redis: the client of the control partition. partitions:
    the number that the config wants; the first claim of a namespace stores it. accept: take the namespace over
    despite conflicts. Safe to repeat. Raises BrokerError.
    """
    return await _ask(redis, "accept" if accept else "", senders, partitions)


async def look(redis: Client, senders: Iterable[Sender], *, partitions: int = 1) -> Claim:
    """Return what `claim` would return, but change nothing. Raises BrokerError."""
    return await _ask(redis, "look", senders, partitions)


async def _ask(redis: Client, how: str, senders: Iterable[Sender], partitions: int) -> Claim:
    rows = [(sender.name, sender.kind, _hashes(redis, sender)) for sender in senders]
    with translated():
        against, layout = await _CLAIM_NAMESPACE(redis, mode=how, partitions=str(partitions), sources=rows)
    return Claim(tuple(sorted(name.decode() for name in against)), layout.decode("utf-8", "replace"))


def _hashes(redis: Client, sender: Sender) -> str:
    """Return a hash of each secret, in hex, each followed by a comma."""
    # Four bytes are enough to distinguish secrets, and too few to find a secret by trying.
    key = f"{redis.names.prefix}{sender.name}".encode()[:64]
    return "".join(
        hashlib.blake2b(secret, digest_size=4, key=key).hexdigest() + "," for secret in sorted(sender.secrets)
    )
