"""The keys of partitions: their number, their workers, and data that is on its way between them."""

from __future__ import annotations

from typing import Annotated

from broker.redis.declared_keys.key import CONTROL, Key


class PartitionKeys:
    """A part of `broker.redis.keys.Names`."""

    applied: Annotated[str, Key("applied:{partition}/{batch}", "hash", "worker", expires="a week")]
    """Places of the bodies of another partition's batch that are processed here: 1 for a new event."""
    held_bodies: Annotated[str, Key("held-bodies:{partition}", "list", "worker", bound="when empty")]
    """Bodies whose home is that partition, which is away: see broker/queue/held_bodies.py."""
    workers: Annotated[str, Key("workers", "zset", "worker", expires="ten minutes", home=CONTROL)]
    """Live workers by the end of their registration."""
    active_workers: Annotated[str, Key("workers:active", "zset", "worker", expires="ten minutes", home=CONTROL)]
    """The live workers that read partitions, each with its group: see register.lua."""
    workers_changed: Annotated[str, Key("workers:changed", "string", "worker", expires="seconds", home=CONTROL)]
    """A mark that the list of active workers was changed a moment ago."""
    layout: Annotated[
        str, Key("layout", "string", "receiver, worker, hookline redis repartition", bound="one value")
    ]
    """For how many partitions homes were computed: see broker/namespace/layout.py."""
    repartition: Annotated[
        str,
        Key("repartition", "hash", "hookline redis repartition", bound="until the move is done", home=CONTROL),
    ]
    """The move of data to another number of partitions: see broker/repartition/state.py."""
    repartition_lease: Annotated[
        str, Key("repartition:lease", "string", "hookline redis repartition", expires="seconds", home=CONTROL)
    ]
    """The lease of the process that moves the data."""
    repartition_out: Annotated[
        str, Key("repartition:out", "hash", "hookline redis repartition", bound="until the move is done")
    ]
    """Data that has left this partition and may not have arrived: see broker/repartition/out.py."""
    repartition_in: Annotated[
        str, Key("repartition:in", "hash", "hookline redis repartition", bound="until the move is done")
    ]
    """Marks of the data that has arrived in this partition."""
    repartition_digest: Annotated[
        str, Key("repartition:digest:{id}", "list", "hookline redis repartition", bound="until the move is done")
    ]
    """The events of a digest that has left this partition."""
