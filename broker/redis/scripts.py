"""The Lua steps: each .lua file in broker/lua is one atomic change of several keys."""

from __future__ import annotations

import hashlib
import re
from importlib import resources
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError

from broker.redis import keys
from broker.redis.keys import Names

if TYPE_CHECKING:
    from broker.redis.client import Client


class Script:
    """One step. Safe to send again after a lost connection: each checks whether it was done before."""

    def __init__(self, name: str, *parts: str) -> None:
        """parts: the files of functions that it calls, besides those of shared.lua."""
        text = "".join(_read(part) for part in ("shared", *parts, name))
        self.text = _prelude(text) + text
        self.sha = hashlib.sha1(self.text.encode()).hexdigest()  # noqa: S324 - what Redis names scripts by

    async def __call__(self, redis: Client, *args: str | bytes | float) -> Any:
        """Run it; loads it where Redis does not know it (a new, restarted or failed-over server)."""
        try:
            return await redis.evalsha(self.sha, 1, redis.names.prefix, *args)  # type: ignore[arg-type,misc]
        except NoScriptError:
            return await redis.eval(self.text, 1, redis.names.prefix, *args)  # type: ignore[arg-type,misc]


class Blobs:
    """What a plan names by its place in ARGV, and stands behind it there."""

    def __init__(self, *, before: int = 1) -> None:
        """before: how many arguments stand before them, the plan included."""
        self._before = before
        self._places: dict[bytes, int] = {}

    def place(self, blob: bytes) -> int:
        """Take it along, where it is not along already; its place (starts at 1)."""
        return self._places.setdefault(blob, self._before + len(self._places) + 1)

    @property
    def all(self) -> list[bytes]:
        """In the order of their places."""
        return list(self._places)


def _prelude(text: str) -> str:
    """The fields of K that a script names: its keys, which begin with what it is called with, and constants."""
    tails = {name: f"KEYS[1] .. {tail!r}" for name, tail in vars(Names("")).items()}
    constants = {name.lower(): repr(value) for name, value in vars(keys).items() if name.isupper()}
    values = tails | constants
    named = sorted(set(re.findall(r"\bK\.(\w+)", text)))
    return "local K = { " + ", ".join(f"{name} = {values[name]}" for name in named) + " }\n"


def _read(name: str) -> str:
    return resources.files("broker").joinpath("lua", f"{name}.lua").read_text("utf-8")


SET_ASIDE = Script("set_aside")
CREATE_GROUP = Script("create_group")
APPEND = Script("append")
PROBE = Script("probe")
COMMIT = Script("commit", "dead_letters")
CLOSE_DIGEST = Script("close_digest", "dead_letters")
FORGET_DIGEST = Script("forget_digest")
ACQUIRE_SUBJECT_LOCK = Script("acquire_subject_lock")
SPLIT = Script("split")
DEFER_ENTRY = Script("defer_entry")
CLAIM = Script("claim")
BEGIN = Script("begin")
EXTEND = Script("extend")
RELEASE = Script("release")
DEFER_JOB = Script("defer_job")
SHOW_LIFE = Script("show_life")
HOLD = Script("hold")
RELEASE_HELD_JOBS = Script("release_held_jobs")
PAUSE = Script("pause", "audit")
RESERVE = Script("reserve")
SETTLE = Script("settle", "dead_letters")
DEAD_LETTER_JOB = Script("dead_letter_job", "dead_letters")
READ_DEAD_LETTERS = Script("read_dead_letters", "dead_letters")
OLDER = Script("older", "dead_letters")
SEARCH = Script("search", "dead_letters")
DIMENSIONS = Script("dimensions")
HOURLY_COUNTS = Script("hourly_counts")
ANNOTATE = Script("annotate", "notes", "audit")
REPLAY_EDITED = Script("replay_edited", "notes", "audit")
REPLAY_BODIES = Script("replay_bodies", "dead_letters", "actions")
REPLAY_JOB = Script("replay_job", "dead_letters", "actions")
DISCARD = Script("discard", "dead_letters", "actions")
IMPORT_DEAD_LETTERS = Script("import_dead_letters", "dead_letters")
DUE = Script("due")
TAKE_LEASE = Script("take_lease")
REPLACE_DEAD_LETTER = Script("replace_dead_letter", "dead_letters")
REPACK = Script("repack", "dead_letters")
FORGET_ENTRY = Script("forget_entry")
FORGET_JOB = Script("forget_job")
FORGET_GATHERED = Script("forget_gathered")
REWRITE_ACTION = Script("rewrite_action")
REWRITE_ALERT = Script("rewrite_alert")
REWRITE_DRIFT = Script("rewrite_drift")
REWRITE_AUDIT = Script("rewrite_audit", "audit")
REWRITE_NOTES = Script("rewrite_notes")
START_ACTION = Script("start_action", "audit")
TAKE_ACTION = Script("take_action", "audit")
STEP_ACTION = Script("step_action", "actions")
RELEASE_ACTION = Script("release_action")
STOP_ACTION = Script("stop_action", "audit")
APPEND_AUDIT = Script("append_audit", "audit")
FORGET_CONSUMERS = Script("forget_consumers")
NOTE_FAILURES = Script("note_failures")
ACQUIRE_ALERT_LEASE = Script("acquire_alert_lease")
RAISE_ALERT = Script("raise_alert")
END_ALERT = Script("end_alert")
NOTE_DRIFT = Script("note_drift")
CLAIM_NAMESPACE = Script("claim_namespace")
COUNT_WAITING = Script("count_waiting")
