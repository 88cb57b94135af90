"""A bulk action on dead letters, and its progress. broker/dead_letters/stored_actions.py stores both in Redis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

Verb = Literal["replay", "discard", "annotate", "dry_run"]
ActionState = Literal["running", "stopped", "done"]


class ActionRequest(Struct, frozen=True, kw_only=True):
    """The letters that a person selected, and what to do to them."""

    verb: Verb
    by: str
    """The name of the person who requested the action."""

    ids: tuple[str, ...] = ()
    """The ids of the letters. If empty, `wanted` selects the letters."""

    wanted: Mapping[str, Any] = {}
    """A filter, as the inspector builds it."""

    until_ms: int = 0
    """Letters that were written after this time are not selected; ms since 1970 by the clock of Redis."""

    rate_per_s: float = 0.0
    """The largest number of letters a second; 0 for no limit."""

    note: str = ""
    """The text of the note, for `annotate`."""

    selected_in: Mapping[int, int] = {}
    """How many letters the action is for in each partition that has a part of it; {} if there is one partition."""


class FailureCause(Struct, frozen=True):
    """Letters that failed for the same cause."""

    fingerprint: str
    """The failure group; "" for all causes after the first 200."""

    count: int
    error: str
    """The error of one of the letters."""


class Action(Struct, frozen=True, kw_only=True):
    """A bulk action and its progress."""

    id: str
    request: ActionRequest
    state: ActionState
    selected: int
    done: int
    passed: int
    """The number of letters that succeeded in a dry run."""

    failed: int
    """The number of letters that failed in a dry run, or that a replay skipped because they cannot be read."""

    causes: tuple[FailureCause, ...]
    """The causes of the failures, the most frequent first."""

    cursor: str
    began_ms: int
    ended_ms: int
    lease_until_ms: int

    @property
    def missing(self) -> int:
        """Selected letters that no longer existed. Known at the end."""
        left = 0 if self.request.verb == "dry_run" else self.failed
        return self.selected - self.done - left if self.state == "done" else 0

    def is_interrupted(self, now_ms: int) -> bool:
        """True if the action is running, but the lease of its owner has ended. now_ms: the time of Redis."""
        return self.state == "running" and self.lease_until_ms < now_ms


class Step(Struct, frozen=True, kw_only=True):
    """The progress of one step of an action, in addition to what its scripts have counted."""

    cursor: str = ""
    is_last: bool = False
    done: int = 0
    passed: int = 0
    failed: tuple[FailureCause, ...] = ()
