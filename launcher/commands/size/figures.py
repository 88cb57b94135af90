"""The measured figures that `hookline size` computes with. The pages that they name explain them."""

from __future__ import annotations

from msgspec import Struct

_XEON = "two cores of an Intel Xeon, Redis 8.2"
_EPYC = "two cores of an AMD EPYC, Redis 8.2 or Valkey 9.1"


class Figure(Struct, frozen=True):
    """A value that was measured."""

    value: float
    what: str
    """The meaning of the value, with its unit."""

    source: str
    """The page that has it."""

    machine: str


BODY_BYTES = 2600
"""The size in bytes of the bodies in all these measurements."""

QUEUED = {
    size: Figure(value, f"bytes of Redis for a queued 2.6 KB webhook, batches of {size}", "docs/sizing.md", _EPYC)
    for size, value in ((1, 1244.0), (2, 723.5), (4, 485.8), (8, 355.7), (16, 229.4), (32, 194.1), (64, 193.0))
}
"""By the number of webhooks in a batch. The bodies are samples of one event, so yours may be larger."""

WAITING = Figure(217, "bytes of Redis for a waiting notification, jobs of 64", "docs/performance.md", _EPYC)
IDENTITY = Figure(11.0, "bytes of Redis for a remembered identity, 200,000 a day", "docs/performance.md", _XEON)
LARGE_SET_IDENTITY = Figure(
    48.1, "bytes of Redis for an identity in a set that is not compact", "docs/sizing.md", _EPYC
)
COMPACT_A_DAY = 8192 * 4096
"""Identities a day and source up to which the sets stay compact, with set-max-intset-entries 8192."""

DEAD_LETTER = Figure(847, "bytes of Redis for a dead letter with its 2.6 KB body", "docs/performance.md", _EPYC)
HISTORY = Figure(
    46,
    "bytes of Redis for an event with one notification in the history, ten million",
    "docs/performance.md",
    _XEON,
)
RECEIVED = Figure(16_768, "webhooks a second on one core, fsync before the answer", "docs/performance.md", _XEON)
EVENT = Figure(142, "us of CPU of a worker for an event with one notification", "docs/performance.md", _EPYC)
NOTIFY = Figure(130, "us of CPU of a worker for a further notification over HTTP", "docs/performance.md", _EPYC)
PROCESSES = Figure(1.29, "times the CPU of one process, 32 processes on two cores", "docs/performance.md", _EPYC)
CLUSTER_CPU = Figure(
    224 / 142, "times the CPU of a worker, 16 partitions on three primaries", "docs/performance.md", _EPYC
)
ONE_REDIS = Figure(62_000, "events a second at most, one partition", "docs/performance.md", _EPYC)
ONE_PRIMARY = Figure(
    25_000, "events a second at most, each primary with 16 partitions", "docs/performance.md", _EPYC
)
