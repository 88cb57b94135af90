"""Whose namespace it is: what keeps a second installation from taking the webhooks of the first.

Redis keeps the sources of the installation that runs in a namespace: name, kind and hashes of the signing secrets.
One that shares none of them is another installation, which must have a namespace of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from msgspec import Struct

from broker.redis import scripts
from broker.redis.client import Client
from broker.redis.errors import translated


class Sender(Struct, frozen=True):
    """A source as far as it tells installations apart."""

    name: str
    kind: str
    secrets: tuple[bytes, ...]
    """Its signing secrets; none for a process that needs none."""


async def claim(redis: Client, senders: Iterable[Sender], *, accept: bool = False) -> list[str]:
    """Make the namespace this installation's own. Returns the sources that stand against it: none where it is.

    A source stands against it that has another kind here, or other secrets alone, or that is not here where no
    source is shared at all. accept: take it over nevertheless. Safe to repeat. Raises BrokerError.
    """
    return await _ask(redis, "accept" if accept else "", senders)


async def others_than(redis: Client, senders: Iterable[Sender]) -> list[str]:
    """What `claim` would return, without making the namespace anybody's. Raises BrokerError."""
    return await _ask(redis, "look", senders)


async def _ask(redis: Client, how: str, senders: Iterable[Sender]) -> list[str]:
    rows = [part for sender in senders for part in (sender.name, sender.kind, _hashes(redis, sender))]
    with translated():
        against = await scripts.CLAIM_NAMESPACE(redis, how, *rows)
    return sorted(name.decode() for name in against)


def _hashes(redis: Client, sender: Sender) -> str:
    """Four bytes of a hash each: enough to tell secrets apart, too few to guess one by."""
    key = f"{redis.names.prefix}{sender.name}".encode()[:64]
    return "".join(
        hashlib.blake2b(secret, digest_size=4, key=key).hexdigest() + "," for secret in sorted(sender.secrets)
    )
