"""Every Redis key that Hookline reads or writes. docs/keys.md is made from these declarations.

All names begin with `{namespace:partition}:`, so that several installations, and other programs, can share one
database. The braces put all keys of a partition into one hash slot of a Redis Cluster.

The counters of stats:total always add up while no work is in progress:
    accepted = processed + duplicate + dead_at_intake + queued
    created  = sent + skipped + dead + waiting
"""

from __future__ import annotations

from typing import Annotated, get_type_hints

from broker.redis import key
from broker.redis.key import Key

GROUP = "workers"
"""The consumer group of the stream."""

PROBE_TTL_MS = 60_000
STATS_TTL_S = 2 * 86_400
LATEST_TTL_S = 30 * 86_400

DIMENSIONS_MAX = 2000
"""Combinations of dimensions that are indexed; dead letters with any other are found by reading each letter."""

AUDIT_MAX = 100_000
"""Approximate number of audit entries that are kept."""

DIGEST_MAX = 500
"""The largest number of events in one digest. A digest with this many ends early."""

DIGEST_BUCKETS = 1024
"""Over how many keys the open windows of digests are spread."""

DIGEST_ID_BYTES = 12
PACK_ID_BYTES = 17
"""The lengths of ids inside the windows of digests."""

SPILLED_TTL_S = 7 * 86_400

HISTORY_TAIL_MAX = 200_000
"""Approximate number of blocks of the history that wait to be sealed. Beyond it the oldest are lost."""

HISTORY_TAIL_TTL_S = 30 * 86_400

LAYOUT_REMOVED = "removed"
"""The layout of a partition that the number of partitions was reduced by. Nothing is written to it."""

APPLIED_TTL_S = 7 * 86_400
"""How long a home remembers which bodies of another partition's batch it has processed, after it last did so."""

# A worker that was frozen longer than worker.stall_s ends itself when it continues.
COMMITTED_TTL_S = 180
"""How long it remembers them after the batch was committed, for a worker with the same batch that was delayed."""

RETURN_MOMENT_MS = 1500
"""For how many ms started jobs are left to their owners after Redis, or all workers, were away."""


def prefix_of(namespace: str, partition: int = 0) -> str:
    """Return the beginning of the names of all keys of a partition."""
    return f"{{{namespace}:{partition}}}:"


class Names:
    """The full name of each key. A name that ends with a colon is the beginning of several keys."""

    stream: Annotated[str, Key("webhooks:raw", "stream", "receiver, worker, inspector", bound="until processed")]
    """Raw batches that wait for intake: fields n (number of bodies) and z (the batch). The group is `workers`."""
    dedupe: Annotated[
        str, Key("dedupe:{source}:{day}:{bucket}", "set", "worker", expires="the dedupe window", home=key.BY_HASH)
    ]
    """Identities of events that were seen: 63-bit integers. The day is that of the event's own time, since
    1970.
    """
    queue: Annotated[str, Key("queue", "zset", "worker, inspector", bound="worker.max_waiting, about")]
    """Ids of jobs by the time at which they are due. An id says what the job waits for: see
    broker/queue/waiting/cause.py.
    """
    job: Annotated[str, Key("job:{id}", "string", "worker, inspector", bound="until settled")]
    """A job: notifications of one channel, with the bodies of their events."""
    in_progress: Annotated[str, Key("in-progress:{id}", "string", "worker", expires="worker.lease_s")]
    """The lease of a running job: the worker that owns it."""
    retry: Annotated[str, Key("starts:{id}", "string", "worker", expires="a day")]
    """How often workers have started a job."""
    health: Annotated[str, Key("health:{worker}", "string", "worker", expires="seconds")]
    """A worker's sign of life: the fingerprint of its config."""
    done: Annotated[
        str, Key("notify:done:{job}", "set", "worker, inspector", bound="with its job or dead letters")
    ]
    """The indices of a job's notifications that are settled."""
    claims: Annotated[str, Key("notify:claims", "hash", "worker", expires="a minute")]
    """The time at which workers were last here, which shows an outage: see absence.lua."""
    wake: Annotated[str, Key("wake", "list", "worker, inspector", expires="a minute", bound="one element")]
    """A wake-up for one idle worker."""
    digests_open: Annotated[
        str, Key("digests:open:{bucket}", "hash", "worker", bound="when empty", home=key.BY_HASH)
    ]
    """Windows of digests that are open, by the 12 bytes of the id of their digest: see
    broker/steps/lua/digests/windows.lua.
    """
    digests_ends: Annotated[str, Key("digests:ends", "zset", "worker", bound="when empty", home=key.BY_HASH)]
    """Groups of windows by the time at which they end: those that one step opened end together."""
    digests_events: Annotated[
        str, Key("digests:events:{pack}", "hash", "worker", bound="until all are notified", home=key.BY_HASH)
    ]
    """Up to 64 events that wait for the end of their windows, packed: see broker/steps/digest_packs.py."""
    digests_closing: Annotated[
        str, Key("digests:closing:{group}", "hash", "worker", bound="when empty", home=key.BY_HASH)
    ]
    """Windows of a group that no event joins any more, by the id of their digest."""
    digests_lease: Annotated[
        str, Key("digests:lease:{group}", "string", "worker", expires="seconds", home=key.BY_HASH)
    ]
    """The lease of the worker that closes these windows now."""
    digest: Annotated[str, Key("digest:{id}", "list", "earlier versions", bound="500 events", home=key.BY_HASH)]
    """The events of a window as earlier versions wrote them: see broker/steps/old_digests.py."""
    digests: Annotated[str, Key("digests", "zset", "earlier versions", bound="when empty", home=key.BY_HASH)]
    """Such windows by the time at which they end."""
    digests_counted: Annotated[
        str, Key("digests:counted", "hash", "earlier versions", bound="when empty", home=key.BY_HASH)
    ]
    """For how many channels each of these windows counts as created and waiting."""
    latest: Annotated[str, Key("latest:{id}", "hash", "worker", expires="a month", home=key.BY_HASH)]
    """The newest event of a subject that was notified, and the holder of its lock: see
    broker/queue/latest_only.py.
    """
    unrecognized: Annotated[
        str, Key("unrecognized:{id}", "string", "worker", expires="worker.unrecognized_grace_s + 1 h")
    ]
    """The time at which a worker first read a job or an entry that it did not recognize."""
    held_ms: Annotated[str, Key("notify:held:{job}", "string", "worker", bound="with the job")]
    """For how many milliseconds a job has been held."""
    channel: Annotated[str, Key("channel:{name}", "hash", "worker, inspector", bound="when it has neither")]
    """The breaker and the pause of a channel that has failures or a pause: see broker/queue/channel_state.py."""
    held_jobs: Annotated[str, Key("held:{name}", "zset", "worker", bound="when empty")]
    """Jobs that are held until their channel takes them, by the time since when."""
    channels: Annotated[str, Key("channels", "set", "worker, inspector", bound="when empty")]
    """The names of the channels that have one of the two keys above."""
    rate: Annotated[str, Key("rate:{name}", "string", "worker", expires="seconds", home=key.BY_HASH)]
    """The time until which the sends of a channel are reserved."""
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
    """Hashes of search terms, each with the id of a dead letter: see finding.lua."""
    dead_find_key: Annotated[str, Key("dead:find:key", "string", "worker, inspector", bound="one value")]
    """The key of the hashes of search terms."""
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
            home=key.CONTROL,
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
            home=key.CONTROL,
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
    audit: Annotated[str, Key("audit", "stream", "inspector", bound="about 100,000 entries")]
    """Audit entries: who did what. Each is in the partition of what was changed, otherwise in partition 0."""
    source: Annotated[str, Key("source:{name}", "hash", "receiver, worker", bound="one for each source")]
    """Recent answers to the webhooks of a source: see broker/monitoring/source_health.py."""
    alert: Annotated[
        str,
        Key("alert:{kind}:{source}", "string", "worker, inspector", expires="alerts.period_s", home=key.CONTROL),
    ]
    """The mark of an alert that was sent and is not repeated yet."""
    alert_lease: Annotated[str, Key("alert:lease", "string", "worker", expires="seconds", home=key.CONTROL)]
    """The lease of the worker that checks the alert conditions."""
    alerts: Annotated[
        str, Key("alerts", "hash", "worker, inspector", bound="one for each alert", home=key.CONTROL)
    ]
    """The active alerts by {kind}:{source}."""
    drift: Annotated[str, Key("drift:{source}", "hash", "worker", expires="a month", home=key.CONTROL)]
    """Deviations of payloads from their models: see broker/monitoring/drift.py."""
    applied: Annotated[str, Key("applied:{partition}/{batch}", "hash", "worker", expires="a week")]
    """Places of the bodies of another partition's batch that are processed here: 1 for a new event."""
    held_bodies: Annotated[str, Key("held-bodies:{partition}", "list", "worker", bound="when empty")]
    """Bodies whose home is that partition, which is away: see broker/queue/held_bodies.py."""
    workers: Annotated[str, Key("workers", "zset", "worker", expires="ten minutes", home=key.CONTROL)]
    """Live workers by the end of their registration."""
    active_workers: Annotated[
        str, Key("workers:active", "zset", "worker", expires="ten minutes", home=key.CONTROL)
    ]
    """The live workers that read partitions, each with its group: see register.lua."""
    workers_changed: Annotated[
        str, Key("workers:changed", "string", "worker", expires="seconds", home=key.CONTROL)
    ]
    """A mark that the list of active workers was changed a moment ago."""
    layout: Annotated[
        str, Key("layout", "string", "receiver, worker, hookline redis repartition", bound="one value")
    ]
    """For how many partitions homes were computed: see broker/namespace/layout.py."""
    repartition: Annotated[
        str,
        Key("repartition", "hash", "hookline redis repartition", bound="until the move is done", home=key.CONTROL),
    ]
    """The move of data to another number of partitions: see broker/repartition/state.py."""
    repartition_lease: Annotated[
        str, Key("repartition:lease", "string", "hookline redis repartition", expires="seconds", home=key.CONTROL)
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
    history: Annotated[str, Key("history", "stream", "worker", expires="a month", bound="about 200,000 blocks")]
    """Records of steps with events and notifications, before they are sealed: see broker/history."""
    history_segments: Annotated[
        str, Key("history:segments", "hash", "worker", expires="history.keep_days + 1 day", bound="history.max_mb")
    ]
    """Descriptions of the sealed segments of the history: see broker/history/segments.py."""
    history_segment: Annotated[
        str,
        Key("history:segment:{id}", "hash", "worker", expires="history.keep_days + 1 day", bound="history.max_mb"),
    ]
    """The events of one sealed segment, and their index."""
    history_lease: Annotated[str, Key("history:lease", "string", "worker", expires="a minute")]
    """The lease of the worker that seals the history now."""
    installation: Annotated[
        str,
        Key(
            "installation",
            "hash",
            "receiver, worker, hookline redis accept-sources",
            bound="one for each source",
            home=key.CONTROL,
        ),
    ]
    """The sources of the owner of the namespace: see broker/namespace/installation.py."""
    clocks: Annotated[str, Key("clocks", "hash", "receiver, worker, inspector", expires="a day", home=key.CONTROL)]
    """Processes on hosts with a wrong clock: see broker/redis/clock.py."""
    spilled: Annotated[str, Key("spilled", "hash", "receiver", expires="a week", home=key.CONTROL)]
    """How many webhooks receivers keep on disk, by host:directory."""
    probe: Annotated[str, Key("probe", "string", "receiver, worker", expires="a minute")]
    """A value that is written to check that Redis accepts writes."""
    stats_total: Annotated[
        str, Key("stats:total", "hash", "receiver, worker, inspector", bound="one for each counter")
    ]
    """Counters since the beginning, and the gauges queued and waiting."""
    stats_minute: Annotated[str, Key("stats:{minute}", "hash", "receiver, worker, inspector", expires="two days")]
    """The counters of one minute since 1970."""
    series: Annotated[
        str,
        Key(
            "series:{minutes}:{number}",
            "hash",
            "worker",
            expires="two hours to 26 hours",
            bound="50 channels and 50 sources of each worker",
            home=key.CONTROL,
        ),
    ]
    """Counts by channel and by source of one span of so many minutes: see broker/monitoring/series.py."""
    set_aside: Annotated[
        str, Key("set-aside", "zset", "receiver, worker, inspector", bound="until a person deletes them")
    ]
    """Names of the keys that were set aside, by the time of moving."""
    set_aside_of: Annotated[
        str, Key("set-aside:{us}:{name}", "any", "receiver, worker, inspector", bound="until a person deletes it")
    ]
    """A value that Hookline never writes, moved here from the key {name} at a time in microseconds."""

    def __init__(self, prefix: str = prefix_of("hookline")) -> None:
        """prefix: the result of `prefix_of`. Defaults to the namespace `hookline`."""
        self.prefix = prefix
        for field, declared in DECLARED.items():
            setattr(self, field, prefix + declared.name)


DECLARED: dict[str, Key] = {
    field: hint.__metadata__[0]
    for field, hint in get_type_hints(Names, include_extras=True).items()
    if hasattr(hint, "__metadata__")
}
"""The declaration of each key, by the field of `Names`."""


def type_of(name: str) -> str:
    """Return the Redis type of a key, by its name after the prefix of the partition; "" if it is not declared."""
    fitting = [key for key in DECLARED.values() if _fits(name, key.name)]
    return max(fitting, key=lambda key: len(key.name)).type if fitting else ""


def _fits(name: str, declared: str) -> bool:
    return name.startswith(declared) if declared.endswith(":") else name == declared
