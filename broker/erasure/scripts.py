"""The Lua scripts that remove a person from Redis. Each does nothing where a value has changed meanwhile."""

from __future__ import annotations

from broker.dead_letters.packing import ADDING, REMOVING
from broker.monitoring.audit import AUDIT
from broker.queue.parts import BATCHES, JOBS
from broker.redis.scripting.scripts import BASE, COUNTERS, FULL, Part, Script

AS_READ = Part("erasure/as_read", parts=(BASE,))

FORGET_ENTRY = Script(
    "erasure/forget_entry",
    parts=(FULL, COUNTERS, BATCHES),
    keys=("stream",),
    args=("entry", "leaving: number", "staying: number", "blob", "any_age: number", "origin", "places"),
)
FORGET_HELD_BODIES = Script(
    "erasure/forget_held_bodies",
    parts=(FULL, COUNTERS),
    keys=("held_bodies:home",),
    args=("home", "leaving: number", "before", "after"),
)
FORGET_JOB = Script(
    "erasure/forget_job",
    parts=(FULL, COUNTERS, JOBS),
    keys=(
        "queue",
        "job:job",
        "job:new_job as new_job",
        "done:job",
        "done:new_job as new_done",
        "retry:job",
        "retry:new_job as new_retry",
        "held_ms:job",
        "held_ms:new_job as new_held_ms",
        "in_progress:job",
        "held_jobs:channel",
        "channel:channel",
    ),
    args=("job", "new_job", "channel", "blob", "new_blob", "leaving: packed", "staying: packed"),
)
REPLACE_DEAD_LETTER = Script(
    "erasure/replace_dead_letter",
    parts=(FULL, AS_READ, ADDING, REMOVING),
    keys=("dead_index", "dead:id", "dead_notes:id", "dead_to_retry"),
    args=("id", "sha1", "letter: packed"),
    rest="blobs",
)
REPACK = Script(
    "erasure/repack",
    parts=(FULL, AS_READ, REMOVING),
    keys=("dead_dicts", "dead_dict:dictionary"),
    args=("dictionary", "letters: packed"),
)
REPLACE_SEGMENT = Script(
    "erasure/replace_segment",
    parts=(FULL,),
    keys=("history_segment:segment",),
    args=("segment", "version"),
    rest="blobs",
)
REPLACE_VALUE = Script("erasure/replace_value", parts=(FULL,), args=("target: key", "field", "before", "after"))
REWRITE_AUDIT = Script(
    "erasure/rewrite_audit", parts=(FULL, AUDIT), keys=("audit",), args=("place", "before", "after")
)
RENAME_DRIFT = Script(
    "erasure/rename_drift", parts=(FULL,), keys=("drift:source",), args=("source", "before", "after")
)
