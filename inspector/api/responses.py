"""Answers of the API, as types: openapi.json is generated from them, and tests check real answers against it.

Those about dead letters are in dead_letter_responses.py. The values come from
inspector/presentation/serializers.py. Times are in ms since 1970.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from broker.dead_letters.action import ActionState, FailureCause, Verb
from broker.monitoring.alerts import Alert
from broker.monitoring.source_health import SourceFacts
from broker.monitoring.spilled import Spilled
from broker.monitoring.stats import Totals
from broker.namespace.set_aside import SetAside
from broker.queue.channel_state import Channel, CircuitState
from broker.redis.client import Persistence
from broker.redis.clock import OffClock
from inspector.api.requests import Filter
from inspector.operations.status import PartitionLine


class Error(Struct, frozen=True, forbid_unknown_fields=True):
    """An error: what is wrong, and how to fix it."""

    error: Annotated[str, Meta(min_length=1, examples=["There is no such dead letter."])]


class Conflict(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The state has changed, or does not allow this. Nothing was done."""

    error: Annotated[str, Meta(min_length=1)]
    count: int = 0
    """How many dead letters match now, if `expected_count` was a different number."""


class ActionSummary(Struct, frozen=True, forbid_unknown_fields=True):
    """An action and its progress."""

    id: str
    verb: Verb
    by: str
    state: ActionState
    selected: int
    done: int
    missing: int
    """Selected letters that no longer existed. Known at the end of the action."""

    passed: int
    """Dry run: letters that would pass."""

    failed: int
    """Dry run: letters that would fail. Replay: letters that cannot be read, so they were left unchanged."""

    why: list[FailureCause]
    filter: Filter
    """The filter, unless the action is for ids. A search is shown as ***."""

    rate_per_s: float
    note: str
    began_ms: int
    ended_ms: int


class ActionRecord(ActionSummary, frozen=True, forbid_unknown_fields=True):
    """An action and its progress."""

    ids: list[str]
    incomplete: str
    """Why the letters of some partitions are missing; "" if all partitions answered."""


class ActionsAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """The last actions, newest first."""

    actions: list[ActionSummary]
    incomplete: str
    """Why the part of some partitions is missing; "" if all partitions answered."""


class AuditEntryRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """Something that a user did."""

    id: str
    at_ms: int
    by: str
    what: str
    about: str
    details: dict[str, str]


class AuditAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """Audit entries, newest first."""

    audit_entries: list[AuditEntryRecord]
    before: str
    """Start of the next page; "" on the last page."""

    incomplete: str
    """Why the entries of some partitions are missing; "" if all partitions answered."""


class ChannelRecord(Channel, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The state of a channel."""

    state: CircuitState  # type: ignore[assignment]


class ChannelsAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """All channels that are configured or known to Redis."""

    channels: list[ChannelRecord]
    incomplete: str
    """Why the part of some partitions is missing; "" if all partitions answered."""


class SourceRecord(SourceFacts, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The state of a source."""

    name: str
    tries_left: int | None
    disabled_at_ms: int | None
    """When the provider disables the webhook if the failures continue; null while nothing fails."""


class SpilledRecord(Spilled, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Webhooks that a receiver keeps on disk."""

    place: str


class StatusAnswer(Totals, frozen=True, kw_only=True):
    """The state of the system, as `hookline status --json` prints it.

    `refused_CODE` counts the webhooks that were rejected with this HTTP status.
    """

    refused: int  # type: ignore[assignment]
    bodies_add_up: bool  # type: ignore[assignment]
    notifications_add_up: bool  # type: ignore[assignment]
    """False also if waiting notifications are missing in Redis."""

    waiting_missing: int
    """Notifications that are counted as waiting but are not in Redis. Checked only up to 10,000 jobs."""

    waiting_for_queued: int
    """Notifications that are due or being sent. This, the next six and `waiting_missing` add up to `waiting`."""

    waiting_for_retry: int
    waiting_for_quiet_hours: int
    waiting_for_rate_limit: int
    """Notifications whose channel takes no more at the moment: its rate limit is reached, or it is slow."""

    waiting_for_paused: int
    """Notifications whose channel is paused."""

    waiting_for_open: int
    """Notifications whose channel has an open circuit breaker."""

    waiting_for_digest: int
    """Digests whose window has not ended. Each counts once for each of its channels."""

    waiting_is_estimated: bool
    """True if there are too many to count, so that these numbers are estimated from a sample."""

    retries_overdue: int
    """How many of those that wait for a retry are due."""

    retries_next_due_ms: int | None
    """Time until the next retry that is not due yet."""

    queue_entries: int
    queue_bodies: int
    queue_oldest_ms: int | None
    jobs: int
    jobs_due: int
    jobs_next_due_ms: int | None
    workers: int
    """Number of live worker processes."""

    worker_configs: int
    """Different configurations among the workers."""

    dead_letters: int
    redis_version: str
    """Empty if Redis does not report it."""

    redis_persistence: Persistence
    """The setting redis.persistence. `none` means that the data is lost if Redis restarts without it."""

    redis_memory_bytes: int | None
    redis_memory_limit_bytes: int | None
    """0 means no limit."""

    redis_risks: list[str]
    spilled_bodies: int
    spilled: list[SpilledRecord]
    set_aside: list[SetAside]
    """Keys that held data which Hookline did not write, newest first; at most 100."""

    sources: list[SourceRecord]
    alerts_now: list[Alert]
    channels: list[ChannelRecord]
    clocks_off: list[OffClock]
    """Processes whose clock differs from that of Redis by more than 5 s."""

    is_complete: bool
    """False while a partition is away: then its part of all figures is missing."""

    partitions: list[PartitionLine]
