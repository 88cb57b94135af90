"""Keeps what has left its old home, until it has arrived in the new one: the hash `repartition:out`.

Something that may exist only once moves in three steps: one script takes it out of its old home and puts it into
this hash; one script adds it to the new home, and marks there in `repartition:in` that it has arrived; then it is
removed from the hash. After a crash the last two are repeated, and the mark keeps it from arriving twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from itertools import islice

from msgspec import Struct

from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.scripting.scripts import Script

_READ_OUT = Script("repartition/read_out", keys=("repartition_out",), rest="names")


class Row(Struct, frozen=True):
    """Something that has left its old home."""

    id: str
    fields: Sequence[bytes]
    """The parts that the script wrote which took it out."""


async def read(source: Client, kind: str, *, count: int) -> AsyncIterator[list[Row]]:
    """Yield what has left a partition, up to `count` at a time. kind: how the names begin. Raises BrokerError."""
    with translated():
        names = iter([name for name in await source.hkeys(source.names.repartition_out) if _is(name, kind)])  # type: ignore[misc]
    while some := list(islice(names, count)):
        with translated():
            rows = await _READ_OUT(source, names=some)
        yield [
            Row(name.decode("utf-8", "surrogateescape")[len(kind) :], row)
            for name, row in zip(some, rows, strict=True)
            if row
        ]


async def forget(source: Client, kind: str, rows: Sequence[Row], *, also: Sequence[str] = ()) -> None:
    """Forget what has arrived. also: keys that are removed with it. Safe to repeat. Raises BrokerError."""
    if not rows:
        return
    with translated():
        # The keys go last: without their row they would stay for ever.
        async with source.pipeline(transaction=True) as pipe:
            if also:
                pipe.unlink(*also)
            pipe.hdel(source.names.repartition_out, *(kind + row.id for row in rows))
            await pipe.execute()


def _is(name: bytes, kind: str) -> bool:
    return name.startswith(kind.encode())
