"""Every Redis key that Hookline reads or writes.

All of them begin with `{namespace:partition}:`, so that several installations, and other programs, can share one
database. The braces put all keys of a partition into one hash slot of a Redis Cluster. The names below come after
that prefix:

    key                               type    what                                            expires
    webhooks:raw                      stream  raw batches: fields n (bodies), z (the batch);  never; XDEL'ed
                                              group `workers`
    dedupe:{source}:{day}:{bucket}    set     identities seen: 63-bit integers; day = days    after the window
                                              since 1970 of the event's own time
    queue                             zset    job ids by the time they are due; an id says    never
                                              what the job waits for: see
                                              broker/queue/waiting/cause.py
    job:{id}                          string  a job                                           never
    in-progress:{id}                  string  the lease of a running job: its owner           after the lease
    notify:claims                     hash    when workers were last here: see absence.lua    after a minute
    wake                              list    at most one wake-up for an idle worker          after a minute
    starts:{id}                       string  how often arq started a job                     a day
    health:{worker}                   string  a sign of life                                  seconds
    notify:done:{job}                 set     indices of a job that are settled               with the job
    digest:{id}                       list    events that wait for the end of their window,   when empty
                                              packed: see broker/steps/digests.py
    digests                           zset    digests by the time their window ends           when empty
    digests:counted                   hash    for how many channels each of them counts as    when empty
                                              created and waiting
    latest:{id}                       hash    the newest event notified of a subject, and     a month
                                              who holds its lock: see broker/queue/latest_only.py
    unrecognized:{job or entry}       string  when a worker first read what it did not        the grace period and
                                              understand; other workers may understand it     an hour after that
    notify:held:{job}                 string  for how many ms a job has been held             with the job
    channel:{name}                    hash    breaker and pause of a channel that has         when it has neither
                                              failures or a pause: see
                                              broker/queue/channel_state.py
    held:{name}                       zset    jobs held until their channel takes them, by    when empty
                                              the time since when
    channels                          set     names of the channels with one of these         when empty
    rate:{name}                       string  until when a channel's sends are reserved       after that time
    dead:{id}                         string  a dead letter with its body: see                never
                                              broker/dead_letters/lua/reading.lua
    dead:notes:{id}                   string  the notes of people on it (msgpack)             with the letter
    dead:index                        zset    dead letter ids by time                         never
    dead:dimensions                   hash    combinations of filter dimensions, by id        never
    dead:by:{dimensions}              zset    the ids of dead letters with them, by time      when empty
    dead:dict:{dictionary}            string  a letter that is the dictionary of others       never
    dead:dicts                        hash    how many letters use each dictionary            never
    dead:find:{bucket}                zset    hashes of search terms, each with               when empty
                                              the id of a letter: see finding.lua
    dead:find:key                     string  the key of these hashes                         never
    dead:to-retry                     set     dead letters to retry after a redelivery        when empty
    dead:groups                       zset    fingerprints by the time of their last death,   never
                                              up to 10,000 of the last month
    dead:news                         zset    fingerprints by the time they were new          a week
    dead:unreported                   hash    new fingerprints that no alert has reported,    a week after the last
                                              each with the id of its first letter
    dead:reported                     string  count of purged letters that was reported       never
    purging                           string  the worker that removes old dead letters now    a minute
    action:{id}                       hash    a bulk action on dead letters: see              never
                                              broker/dead_letters/stored_actions.py
    actions                           zset    the ids of bulk actions by time; the last 500   never
    audit                             stream  who did what: about the last 100,000 entries    never
    source:{name}                     hash    recent responses to a source's webhooks: see    never
                                              broker/monitoring/source_health.py
    alert:{kind}:{source}             string  this alert was sent, and is not repeated yet    after the period
    alert:lease                       string  the worker that checks the alert conditions     seconds
    alerts                            hash    the active alerts, by {kind}:{source}           never
    drift:{source}                    hash    deviations: see broker/monitoring/drift.py      after a month
    applied:{partition}/{batch}       hash    places of the bodies of another partition's     a week
                                              batch that are processed here: 1 if new
    held-bodies:{partition}           list    bodies whose home is that partition, which is   when empty
                                              away: see broker/queue/held_bodies.py
    workers                           zset    live workers by the end of their registration   ten minutes
    workers:active                    zset    those of them that read partitions, each with   ten minutes
                                              its group: see register.lua
    workers:changed                   string  set for a moment after that list was changed    seconds
    layout                            string  for how many partitions homes were computed:    never
                                              see broker/namespace/layout.py
    repartition                       hash    the move of data to another number of           until it is done
                                              partitions: see broker/repartition/state.py
    repartition:lease                 string  the process that moves the data                 seconds
    repartition:out                   hash    what has left this partition and may not have   until it is done
                                              arrived: see broker/repartition/out.py
    repartition:in                    hash    what has arrived in this partition              until it is done
    repartition:digest:{id}           list    the events of a digest that has left            until it is done
    history                           stream  what steps did with events and notifications,   after a month without
                                              before it is sealed: see broker/history         events
    history:segments                  hash    the sealed segments of the history: see         after keep_days
                                              broker/history/segments.py
    history:segment:{id}              hash    the events of one of them, and their index      after keep_days
    history:lease                     string  the worker that seals the history now           a minute
    installation                      hash    the sources of the owner: see                   never
                                              broker/namespace/installation.py
    clocks                            hash    processes with a wrong clock: see               a day
                                              broker/redis/clock.py
    probe                             string  written to check that Redis accepts writes      a minute
    spilled                           hash    webhooks on disk, by host:directory             a week
    stats:total                       hash    counters since the beginning, and two gauges    never
    stats:{minute}                    hash    the counters of one minute since 1970           two days
    set-aside:{us}:{name}             any     a value of key {name} that Hookline never       never
                                              writes: see broker/namespace/set_aside.py
    set-aside                         zset    the names of these keys by the time of moving   never

The counters of stats:total always add up while no work is in progress:
    accepted = processed + duplicate + dead_at_intake + queued
    created  = sent + skipped + dead + waiting
"""

from __future__ import annotations

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

    def __init__(self, prefix: str = prefix_of("hookline")) -> None:  # noqa: PLR0915 - a line a key
        """prefix: the result of `prefix_of`. Defaults to the namespace `hookline`."""
        self.prefix = prefix
        self.stream = prefix + "webhooks:raw"
        self.queue = prefix + "queue"
        self.job = prefix + "job:"
        self.in_progress = prefix + "in-progress:"
        self.retry = prefix + "starts:"
        self.health = prefix + "health:"
        self.done = prefix + "notify:done:"
        self.claims = prefix + "notify:claims"
        self.wake = prefix + "wake"
        self.digest = prefix + "digest:"
        self.digests = prefix + "digests"
        self.digests_counted = prefix + "digests:counted"
        self.latest = prefix + "latest:"
        self.unrecognized = prefix + "unrecognized:"
        self.held_ms = prefix + "notify:held:"
        self.channel = prefix + "channel:"
        self.held_jobs = prefix + "held:"
        self.channels = prefix + "channels"
        self.rate = prefix + "rate:"
        self.dead = prefix + "dead:"
        self.dead_notes = prefix + "dead:notes:"
        self.dead_index = prefix + "dead:index"
        self.dead_dimensions = prefix + "dead:dimensions"
        self.dead_by = prefix + "dead:by:"
        self.dead_dict = prefix + "dead:dict:"
        self.dead_dicts = prefix + "dead:dicts"
        self.dead_find = prefix + "dead:find:"
        self.dead_find_key = prefix + "dead:find:key"
        self.dead_to_retry = prefix + "dead:to-retry"
        self.dead_groups = prefix + "dead:groups"
        self.dead_news = prefix + "dead:news"
        self.dead_unreported = prefix + "dead:unreported"
        self.dead_reported = prefix + "dead:reported"
        self.purging = prefix + "purging"
        self.action = prefix + "action:"
        self.actions = prefix + "actions"
        self.audit = prefix + "audit"
        self.source = prefix + "source:"
        self.alert = prefix + "alert:"
        self.alert_lease = prefix + "alert:lease"
        self.alerts = prefix + "alerts"
        self.drift = prefix + "drift:"
        self.applied = prefix + "applied:"
        self.held_bodies = prefix + "held-bodies:"
        self.workers = prefix + "workers"
        self.active_workers = prefix + "workers:active"
        self.workers_changed = prefix + "workers:changed"
        self.layout = prefix + "layout"
        self.repartition = prefix + "repartition"
        self.repartition_lease = prefix + "repartition:lease"
        self.repartition_out = prefix + "repartition:out"
        self.repartition_in = prefix + "repartition:in"
        self.repartition_digest = prefix + "repartition:digest:"
        self.history = prefix + "history"
        self.history_segments = prefix + "history:segments"
        self.history_segment = prefix + "history:segment:"
        self.history_lease = prefix + "history:lease"
        self.installation = prefix + "installation"
        self.clocks = prefix + "clocks"
        self.spilled = prefix + "spilled"
        self.probe = prefix + "probe"
        self.stats_total = prefix + "stats:total"
        self.stats_minute = prefix + "stats:"
        self.set_aside = prefix + "set-aside"
        self.set_aside_of = prefix + "set-aside:"
