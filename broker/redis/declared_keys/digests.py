"""The keys of events that wait in digests."""

from __future__ import annotations

from typing import Annotated

from broker.redis.declared_keys.key import BY_HASH, Key


class DigestKeys:
    """A part of `broker.redis.keys.Names`."""

    digests_open: Annotated[str, Key("digests:open:{bucket}", "hash", "worker", bound="when empty", home=BY_HASH)]
    """Windows of digests that are open, by the 12 bytes of the id of their digest: see
    broker/steps/lua/digests/windows.lua.
    """
    digests_ends: Annotated[str, Key("digests:ends", "zset", "worker", bound="when empty", home=BY_HASH)]
    """Groups of windows by the time at which they end: those that one step opened end together."""
    digests_events: Annotated[
        str, Key("digests:events:{pack}", "hash", "worker", bound="until all are notified", home=BY_HASH)
    ]
    """Up to 64 events that wait for the end of their windows, packed: see broker/steps/digest_packs.py."""
    digests_closing: Annotated[
        str, Key("digests:closing:{group}", "hash", "worker", bound="when empty", home=BY_HASH)
    ]
    """Windows of a group that no event joins any more, by the id of their digest."""
    digests_lease: Annotated[
        str, Key("digests:lease:{group}", "string", "worker", expires="seconds", home=BY_HASH)
    ]
    """The lease of the worker that closes these windows now."""
    digest: Annotated[str, Key("digest:{id}", "list", "earlier versions", bound="500 events", home=BY_HASH)]
    """The events of a window as earlier versions wrote them: see broker/steps/old_digests.py."""
    digests: Annotated[str, Key("digests", "zset", "earlier versions", bound="when empty", home=BY_HASH)]
    """Such windows by the time at which they end."""
    digests_counted: Annotated[
        str, Key("digests:counted", "hash", "earlier versions", bound="when empty", home=BY_HASH)
    ]
    """For how many channels each of these windows counts as created and waiting."""
