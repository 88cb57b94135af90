"""The keys of webhooks, jobs and channels."""

from __future__ import annotations

from typing import Annotated

from broker.redis.declared_keys.key import BY_HASH, Key


class QueueKeys:
    """A part of `broker.redis.keys.Names`."""

    stream: Annotated[str, Key("webhooks:raw", "stream", "receiver, worker, inspector", bound="until processed")]
    """Raw batches that wait for intake: fields n (number of bodies) and z (the batch). The group is `workers`."""
    dedupe: Annotated[
        str, Key("dedupe:{source}:{day}:{bucket}", "set", "worker", expires="the dedupe window", home=BY_HASH)
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
    latest: Annotated[str, Key("latest:{id}", "hash", "worker", expires="a month", home=BY_HASH)]
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
    rate: Annotated[str, Key("rate:{name}", "string", "worker", expires="seconds", home=BY_HASH)]
    """The time until which the sends of a channel are reserved."""
