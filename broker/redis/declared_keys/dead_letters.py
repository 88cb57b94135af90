"""The keys of dead letters, their failure groups, and bulk actions on them."""

from __future__ import annotations

from typing import Annotated

from broker.redis.declared_keys.key import CONTROL, Key


class DeadLetterKeys:
    """A part of `broker.redis.keys.Names`."""

    dead: Annotated[str, Key("dead:{id}", "string", "worker, inspector", bound="until replayed or removed")]
    """A dead letter with its body: see broker/dead_letters/lua/reading.lua."""
    dead_notes: Annotated[str, Key("dead:notes:{id}", "string", "inspector", bound="with the dead letter")]
    """The notes that people made on a dead letter (msgpack)."""
    dead_index: Annotated[
        str, Key("dead:index", "zset", "worker, inspector", bound="dead.keep_days, dead.keep_count")
    ]
    """Ids of all dead letters by the time of death."""
    dead_dimensions: Annotated[
        str, Key("dead:dimensions", "hash", "worker, inspector", bound="2,000 combinations")
    ]
    """Combinations of filter dimensions, such as source, channel and reason, by their id."""
    dead_by: Annotated[str, Key("dead:by:{dimensions}", "zset", "worker, inspector", bound="when empty")]
    """Ids of the dead letters with these dimensions by the time of death."""
    dead_dict: Annotated[
        str, Key("dead:dict:{dictionary}", "string", "worker, inspector", bound="when no dead letter uses it")
    ]
    """A dead letter that is the dictionary for the compression of others."""
    dead_dicts: Annotated[str, Key("dead:dicts", "hash", "worker, inspector", bound="when empty")]
    """How many dead letters use each dictionary."""
    dead_find: Annotated[str, Key("dead:find:{bucket}", "zset", "worker, inspector", bound="when empty")]
    """Hashes of the identities of events, each with the id of a dead letter: see terms/finding.lua."""
    dead_find_key: Annotated[str, Key("dead:find:key", "string", "worker, inspector", bound="one value")]
    """The key of the hashes of search terms."""
    dead_blocks: Annotated[str, Key("dead:blocks", "hash", "worker, inspector", bound="when empty")]
    """How many dead letters each block of search terms has, and the lowest and the highest id."""
    dead_terms: Annotated[
        str, Key("dead:terms:{block}:{key}", "string", "worker, inspector", bound="with its dead letters")
    ]
    """Hashes of search terms of up to 2,048 dead letters, or the ids of these: see terms/blocks.lua."""
    dead_to_retry: Annotated[str, Key("dead:to-retry", "set", "worker", bound="when empty")]
    """Ids of dead letters to retry, because their event was delivered again."""
    dead_groups: Annotated[str, Key("dead:groups", "zset", "worker, inspector", bound="10,000 groups")]
    """Fingerprints of failure groups by the time of the last death."""
    dead_news: Annotated[str, Key("dead:news", "zset", "worker", expires="a week", bound="1,000 groups")]
    """Fingerprints of failure groups by the time at which they were new."""
    dead_unreported: Annotated[
        str, Key("dead:unreported", "hash", "worker", expires="a week", bound="1,000 groups")
    ]
    """New fingerprints that no alert has reported, each with the id of its first dead letter."""
    dead_group: Annotated[
        str,
        Key(
            "dead:group:{fingerprint}",
            "hash",
            "worker, inspector",
            expires="90 days after its last letter",
            home=CONTROL,
        ),
    ]
    """The decisions of people about a failure group: see broker/dead_letters/group_states.py."""
    dead_group_states: Annotated[
        str,
        Key(
            "dead:group-states",
            "zset",
            "worker, inspector",
            expires="with the last decision",
            bound="2,000 groups",
            home=CONTROL,
        ),
    ]
    """Fingerprints of the failure groups with decisions by the time at which these expire."""
    dead_reported: Annotated[str, Key("dead:reported", "string", "worker", bound="one value")]
    """How many purged dead letters an alert has reported."""
    purging: Annotated[str, Key("purging", "string", "inspector", expires="a minute")]
    """The lease of the process that removes old dead letters now."""
    action: Annotated[str, Key("action:{id}", "hash", "inspector", bound="the last 500")]
    """A bulk action on dead letters with its progress: see broker/dead_letters/stored_actions.py."""
    actions: Annotated[str, Key("actions", "zset", "inspector", bound="the last 500")]
    """Ids of bulk actions by the time at which they began."""
