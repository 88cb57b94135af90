"""The Lua functions that scripts of several modules share: jobs in the queue, batches in the stream."""

from __future__ import annotations

from broker.redis.scripting.scripts import BASE, Part

JOBS = Part("queue/jobs", parts=(BASE,), keys=("queue",))
BATCHES = Part("queue/batches", parts=(BASE,), keys=("stream",))
UNRECOGNIZED = Part("queue/unrecognized", parts=(BASE,))
