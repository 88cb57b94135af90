"""The Lua functions that scripts of several modules share: jobs in the queue, batches in the stream, wake-ups."""

from __future__ import annotations

from broker.redis.scripting.scripts import BASE, Part

JOBS = Part("queue/jobs", parts=(BASE,), keys=("queue",))
BATCHES = Part("queue/batches", parts=(BASE,), keys=("stream",))
WAKE = Part("queue/idle/wake", parts=(BASE,), keys=("wake",))
ABSENCE = Part("queue/idle/absence", parts=(BASE,), keys=("claims",))
NEXT_DUE = Part("queue/idle/next_due", parts=(BASE,))
UNRECOGNIZED = Part("queue/unrecognized", parts=(BASE,))

JOB_KEYS = ("job:job", "done:job", "in_progress:job", "retry:job", "unrecognized:job", "held_ms:job")
"""The keys of the job that the argument `job` names, which `finish` removes."""
