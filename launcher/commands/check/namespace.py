"""Checks of the namespace in Redis: which installation it belongs to, and which workers use it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from msgspec import Struct

from broker.namespace import layout
from broker.namespace.installation import Claim, look
from broker.queue import stream
from broker.redis.connection import Settings as RedisSettings
from broker.redis.errors import BrokerError, Forbidden
from broker.redis.fan_out import ask_all
from broker.redis.partitions import Partitions, connect_all
from launcher.composition.layout import layout_message
from launcher.composition.namespace_claim import in_use_message, senders
from launcher.config.config import Config
from worker.components import fingerprint, setup_of


class NamespaceFindings(Struct, frozen=True):
    """Problems and notes about the namespace."""

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def check_namespace(redis: RedisSettings, config: Config) -> NamespaceFindings:
    """Compare the config with the running workers. What does not answer, or may not be read, is left out."""
    return asyncio.run(_check(redis, config))


async def _check(redis: RedisSettings, config: Config) -> NamespaceFindings:
    partitions = connect_all(redis)
    try:
        claim = await look(partitions.control, senders(config), partitions=redis.partitions)
        workers = await _workers(partitions)
    except BrokerError:
        return NamespaceFindings()
    finally:
        await partitions.aclose()
    running = list({name: worker for each in workers for name, worker in each.items()}.values())
    problems = _problems(redis, claim)
    own = fingerprint(setup_of(config.sources, config.rules, config.channels, config.alerts)).encode()
    others = sum(other != own for other in running)
    note = (
        f'{others} of {len(running)} workers in the namespace "{redis.namespace}" run with another config than '
        "this one: reload or restart them, or give this installation its own redis.namespace"
    )
    notes = [note] if others else []
    move = layout.parse(claim.layout)
    if isinstance(move, layout.Move):
        notes.append(
            f"the data is being moved from {move.old} to {move.new} partitions, and no event is processed until "
            "that is done: if no process does it now, run hookline redis repartition again"
        )
    return NamespaceFindings(problems, tuple(notes))


async def _workers(partitions: Partitions) -> Iterable[Mapping[bytes, bytes]]:
    try:
        return await ask_all(partitions, stream.live_workers)
    except Forbidden:  # the Redis user may be that of the receiver
        return ()


def _problems(redis: RedisSettings, claim: Claim) -> tuple[str, ...]:
    if claim.against:
        return (in_use_message(redis.namespace, claim.against),)
    if not layout.fits(claim.layout, redis.partitions):
        return (layout_message(redis, claim.layout),)
    return ()
