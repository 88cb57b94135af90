"""Moves the data of a namespace from the number of partitions that Redis has to the number in the config.

1. The layout of all partitions becomes `moving:{old}:{new}`. From then on no commit runs: workers send the
   notifications that they have, and webhooks wait in the streams. Receivers go on.
2. Everything whose home is computed moves: see the modules of this package. Every step may be repeated, so after a
   crash the same command goes on.
3. The layout becomes the new number, in the control partition last. Workers with this number go on.

State that is not looked for by its home stays where it is (batches, jobs, counters, dead letters of bodies, the
audit log), unless the number gets smaller. Then partitions are removed: receivers can append nothing to them any
more, and everything in them moves to others. Workers with the old number still run their jobs meanwhile.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, contextmanager

from msgspec import Struct, structs

from broker.namespace import layout
from broker.namespace.layout import Move
from broker.redis.client import Client
from broker.redis.confirmation import Durability
from broker.redis.connection import Settings, connect
from broker.redis.errors import BrokerError, translated
from broker.redis.partitions import Partitions, connect_all
from broker.repartition import dedupe_sets, digests, letters, state, subjects
from broker.repartition.confirmations import servers_of
from broker.repartition.lease import LEASE_S, lease
from broker.repartition.plan import BucketOf, Plan, Terms
from broker.repartition.state import NotMovingError, RepartitionError, State
from broker.repartition.steps import deliver_all, move_all

_REMOVE_CHUNK = 500


class Orders(Struct, frozen=True, kw_only=True):
    """Everything that a move needs to know beside Redis."""

    owner: str
    """The name of this process, for the lease."""

    bucket_of: BucketOf
    terms: Terms
    durability: Durability
    report: Callable[[str, int], None]
    lease_s: float = LEASE_S


async def needed(settings: Settings) -> Move | None:
    """Return the move that the config asks for, or that is in progress; None if there is nothing to do.

    Raises RepartitionError, BrokerError.
    """
    control = connect(settings)
    try:
        stored, begun = await layout.read(control), await state.read(control)
    finally:
        await control.aclose()
    if begun:
        move: Move | int | None = begun.move
    else:
        move = layout.parse(stored) if stored is not None else settings.partitions
    if isinstance(move, int):
        move = Move(move, settings.partitions)
    if move is None:
        raise RepartitionError(f"the key layout has a value that Hookline never writes: {stored!r}")
    if move.new != settings.partitions:
        raise RepartitionError(
            f"the data is being moved from {move.old} to {move.new} partitions: finish that first, with "
            f"redis.partitions (HOOKLINE_REDIS_PARTITIONS) = {move.new}"
        )
    return None if move.new == move.old else move


async def preview(settings: Settings, move: Move, orders: Orders) -> Mapping[str, int]:
    """Return how many things of each kind would move. Raises BrokerError."""
    counts = dict.fromkeys(("dedupe sets", "digests", "subjects", "dead letters"), 0)
    async with _plan(settings, move, orders, confirming=False) as plan:
        for source in plan.old:
            counts["digests"] += len(await digests.to_move(plan, source))
            for kind, module in (("dedupe sets", dedupe_sets), ("subjects", subjects), ("dead letters", letters)):
                async for chunk in module.to_move(plan, source):
                    counts[kind] += len(chunk)
    return counts


async def repartition(settings: Settings, move: Move, orders: Orders) -> None:
    """Move the data, or go on with a move that was interrupted. Receivers may run all the time.

    Raises RepartitionError if another process moves it, BrokerError.
    """
    async with _plan(settings, move, orders, confirming=True) as plan, _lease_of(plan, orders):
        await _check_removable(plan)
        begun = await state.begin(plan.new.control, move)
        if begun.move != move:
            raise RepartitionError("another process has begun another move")
        if begun.phase == "moving":
            await _set_layout(plan)
            with _explained():
                await move_all(plan)
            await state.note_opening(plan.new.control)
        await _open(plan)


async def read_progress(settings: Settings) -> tuple[State | None, str | None]:
    """Return the move that is in progress, None without one; and the layout. They change when data moves.

    Both are None while the control partition is away: then no move can begin.
    """
    async with aclosing(connect(settings)) as control:
        try:
            return await state.read(control), await layout.read(control)
        except BrokerError:
            return None, None


@asynccontextmanager
async def standing_still(settings: Settings, begun: State | None, orders: Orders) -> AsyncIterator[Partitions]:
    """Yield all partitions of a move that was begun, old and new, and let nothing move while the block runs.

    What had left its old home has arrived in its new one before. begun: the move that is in progress; if it is
    None, the partitions are those of the config, and nothing is done. Raises RepartitionError if another process
    moves the data now, BrokerError.
    """
    if begun is None:
        async with aclosing(connect_all(settings)) as partitions:
            yield partitions
        return
    async with _plan(settings, begun.move, orders, confirming=True) as plan, _lease_of(plan, orders):
        now = await state.read(plan.new.control)
        if now is not None and now.phase == "moving":
            with _explained():
                await deliver_all(plan)
        yield Partitions(plan.all)


async def _set_layout(plan: Plan) -> None:
    """Set the layout of all partitions, the control one first. Raises BrokerError before that if one is away."""
    for client in plan.all:
        await layout.read_stored(client)
    for client in plan.all:
        with translated():
            await client.set(client.names.layout, plan.layout_of(client))
    await plan.confirm()  # a failover that undid it would let commits run


async def _check_removable(plan: Plan) -> None:
    """Raise RepartitionError where a partition that will be removed has something that does not move."""
    for client in plan.all[len(plan.new) :]:
        names = client.names
        with translated():
            values, actions = await client.zcard(names.set_aside), await client.zrange(names.actions, 0, -1)
            running = [await client.hget(names.action + name.decode(), "state") for name in actions]  # type: ignore[misc]
        if values:
            raise RepartitionError(
                f"the partition {client.partition} has {values} keys that were set aside, and would be removed: "
                f"look at them (hookline status lists them), and delete them"
            )
        if b"running" in running:
            raise RepartitionError(
                f"a bulk action on dead letters runs in the partition {client.partition}, which would be removed: "
                "wait for it, or stop it"
            )


async def _open(plan: Plan) -> None:
    """Let the workers of the new number go on, first in the other partitions and then in the control partition."""
    await plan.confirm()
    for client in plan.all[len(plan.new) :]:
        await _remove_rest(client)
    for client in reversed(plan.new.all):
        names = client.names
        with translated():
            async with client.pipeline(transaction=True) as pipe:
                pipe.unlink(names.repartition_in)
                pipe.set(names.layout, str(plan.move.new))
                if client is plan.new.control:
                    pipe.delete(names.repartition)
                await pipe.execute()


async def _remove_rest(client: Client) -> None:
    """Remove what has not moved from a removed partition, so that nothing old is there if it is used again."""
    layout_name = client.names.layout.encode()
    chunk: list[bytes] = []
    with translated():
        async for name in client.scan_iter(match=f"{client.names.prefix}*", count=1000):
            if name != layout_name:
                chunk.append(name)
            if len(chunk) >= _REMOVE_CHUNK:
                await client.unlink(*chunk)
                chunk = []
        if chunk:
            await client.unlink(*chunk)


def _lease_of(plan: Plan, orders: Orders) -> AbstractAsyncContextManager[None]:
    return lease(plan.new.control, orders.owner, lease_s=orders.lease_s)


@contextmanager
def _explained() -> Iterator[None]:
    """Raise RepartitionError for NotMovingError."""
    try:
        yield
    except NotMovingError:
        raise RepartitionError(
            "the key layout of a partition was changed meanwhile: run this again, and it goes on"
        ) from None


@asynccontextmanager
async def _plan(settings: Settings, move: Move, orders: Orders, *, confirming: bool) -> AsyncIterator[Plan]:
    clients = connect_all(structs.replace(settings, partitions=max(move.old, move.new)))
    new = Partitions(clients.all[: move.new])
    try:
        yield Plan(
            move=move,
            old=Partitions(clients.all[: move.old]),
            new=new,
            servers=await servers_of(new, orders.durability) if confirming else (),
            bucket_of=orders.bucket_of,
            terms=orders.terms,
            report=orders.report,
        )
    finally:
        await clients.aclose()
