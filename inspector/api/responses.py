"""What the API answers, as types: openapi.json is made from them, and tests hold real answers against it.

The values come from inspector/presentation/serializers.py; times are ms since 1970.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from broker.dead_letters import DeadLetter
from broker.dead_letters.stored_actions import ActionState, FailureCause, Verb
from broker.monitoring.alerts import Alert
from broker.monitoring.source_health import SourceFacts
from broker.monitoring.spilled import Spilled
from broker.monitoring.stats import Totals
from broker.namespace.set_aside import SetAside
from broker.queue.channel_state import Channel, CircuitState
from broker.redis.clock import OffClock
from inspector.api.requests import Sought


class Error(Struct, frozen=True, forbid_unknown_fields=True):
    """Why not, and what mends it."""

    error: Annotated[str, Meta(min_length=1, examples=["There is no such dead letter."])]


class Conflict(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Things are not as they were thought to be."""

    error: Annotated[str, Meta(min_length=1)]
    count: int = 0
    """How many match by now, where `expected_count` was another number."""


class AttemptRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """One try of a notification."""

    at_ms: int
    took_ms: int
    outcome: str
    error: str
    answer: str


class NoteRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """What a person noted."""

    at_ms: int
    by: str
    text: str


class LetterRecord(DeadLetter, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A dead letter without its body. Personal data in texts is masked."""

    attempts: tuple[AttemptRecord, ...]  # type: ignore[assignment]


class FoundRecord(LetterRecord, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One of a list."""

    cursor: str
    """Where the page after it begins."""


class StoredLetterRecord(LetterRecord, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A dead letter with its body. Personal data is masked unless revealed."""

    notes: list[NoteRecord]
    body_bytes: int
    body: Any
    """The JSON of it; null where it is no JSON."""

    body_base64: str = ""
    """The very bytes, only where revealed."""


class LettersAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """A page, newest first."""

    letters: list[FoundRecord]
    cursor: str
    """Where the next page begins, "" where there is none."""

    count: int
    """How many match in all, on this page or not."""

    until_ms: int
    """The moment of the count, by the clock of Redis: `until_ms` of an action for just these."""


class ChoicesAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """What can be filtered by: the values of each field, and how many dead letters have each."""

    choices: dict[str, dict[str, int]]


class GroupRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """What died for the same cause."""

    fingerprint: str
    count: int
    first_seen_ms: int
    last_seen_ms: int
    last_24_hours: Annotated[list[int], Meta(min_length=24, max_length=24)]
    """How many of them died in each hour, the present one last."""

    sample: LetterRecord
    """The newest."""


class GroupsAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """Groups, the one that grew last first."""

    groups: list[GroupRecord]


class DryRunNotificationRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """One notification that would be made; as of a masked body unless revealed, "" where it cannot be told so."""

    channel: str
    rule: str
    key: str
    """Idempotency key."""

    to: str
    subject: str
    text: str
    html: str
    digest: bool
    looks_up: list[str]
    """What would be asked of the source's API first."""

    needs: str
    """What cannot be made without the answer."""

    error: str
    """Why it would be a dead letter instead; "" where it would be sent."""


class DryRunAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """What would become of it if it were replayed now."""

    passes: bool
    """No dead letter would come of it. Whether the other side takes what is sent only a replay shows."""

    reason: str
    error: str
    error_class: str
    path: str
    stage: str
    fingerprint: str
    notifications: list[DryRunNotificationRecord]


class EditAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """A copy with the other body was handed back; the dead letter stays, with a note of it."""

    id: str
    replayed: bool


class ActionSummary(Struct, frozen=True, forbid_unknown_fields=True):
    """An action and how far it has come."""

    id: str
    verb: Verb
    by: str
    state: ActionState
    selected: int
    done: int
    gone: int
    """Those that were not there any more, known at the end."""

    passed: int
    failed: int
    """What a dry run found. `failed` of a replay: letters that cannot be read, and so were left."""

    why: list[FailureCause]
    filter: Sought
    """Where it is not for ids; what was searched for is ***."""

    rate_per_s: float
    note: str
    began_ms: int
    ended_ms: int


class ActionRecord(ActionSummary, frozen=True, forbid_unknown_fields=True):
    """An action and how far it has come."""

    ids: list[str]


class ActionsAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """The last actions, newest first."""

    actions: list[ActionSummary]


class AuditEntryRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that somebody did."""

    id: str
    at_ms: int
    by: str
    what: str
    about: str
    details: dict[str, str]


class AuditAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """Who did what, newest first."""

    audit_entries: list[AuditEntryRecord]
    before: str
    """Where the next page begins, "" where there is none."""


class ChannelRecord(Channel, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a channel does."""

    state: CircuitState  # type: ignore[assignment]


class ChannelsAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """All channels that are configured, or of which something is known."""

    channels: list[ChannelRecord]


class SourceRecord(SourceFacts, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a source does."""

    name: str
    tries_left: int | None
    disabled_at_ms: int | None
    """What the provider does if it goes on; null while nothing fails."""


class SpilledRecord(Spilled, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a receiver keeps on disk."""

    place: str


class StatusAnswer(Totals, frozen=True, kw_only=True):
    """How things stand, as `hookline status --json` has it; `refused_CODE` for each status that was answered."""

    refused: int  # type: ignore[assignment]
    bodies_add_up: bool  # type: ignore[assignment]
    notifications_add_up: bool  # type: ignore[assignment]
    """Also false where some of those that wait have vanished from Redis."""

    waiting_missing: int
    """Notifications that are counted as waiting and are not in Redis. Not looked for in more than 10,000 jobs."""

    queue_entries: int
    queue_bodies: int
    queue_oldest_ms: int | None
    jobs: int
    jobs_due: int
    jobs_next_due_ms: int | None
    workers: int
    """Worker processes that are alive."""

    worker_configs: int
    """Different configs that these run with."""

    dead_letters: int
    redis_version: str
    redis_memory_bytes: int
    redis_memory_limit_bytes: int
    redis_risks: list[str]
    spilled_bodies: int
    spilled: list[SpilledRecord]
    set_aside: list[SetAside]
    """Keys in Redis that held what Hookline never writes there, the newest first; 100 at most."""

    sources: list[SourceRecord]
    alerts_now: list[Alert]
    channels: list[ChannelRecord]
    clocks_off: list[OffClock]
    """Processes whose clock is more than 5 s off from that of Redis."""
