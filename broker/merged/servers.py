"""The servers that have the partitions. Several partitions may be on one server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from broker.redis.partitions import named
from broker.redis.server.facts import ServerFacts


def merge_facts(facts: Mapping[int, tuple[str, ServerFacts]]) -> ServerFacts:
    """Return the facts of the first server, with the memory of all servers added up.

    facts: the address and the facts, by the number of the partition. The limit is 0 if one server has none, and
    None if it is unknown for one.
    """
    first = next(server for _, server in facts.values())
    distinct = list({server.run_id or node: server for node, server in facts.values()}.values())
    if len(distinct) == 1:
        return first
    used = [server.used_memory_bytes for server in distinct]
    limits = [server.max_memory_bytes for server in distinct]
    return msgspec.structs.replace(
        first,
        used_memory_bytes=sum(size or 0 for size in used) if None not in used else None,
        max_memory_bytes=None if None in limits else sum(size or 0 for size in limits) if all(limits) else 0,
        replicas=min((server.replicas for server in distinct if server.replicas is not None), default=None),
        read_only=any(server.read_only for server in distinct),
    )


def name_where_they_differ(texts: Mapping[int, Iterable[str]]) -> list[str]:
    """Return each text once, in the order in which they come. texts: by the number of the partition.

    A text that does not hold for all partitions begins with those for which it holds.
    """
    holders: dict[str, list[int]] = {}
    for number, each in texts.items():
        for text in each:
            holders.setdefault(text, []).append(number)
    return [
        text if len(numbers) == len(texts) else f"{named(numbers)}: {text}" for text, numbers in holders.items()
    ]
