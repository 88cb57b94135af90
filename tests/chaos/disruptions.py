"""Disruptions of a stack, and their times, drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence

from msgspec import Struct

KILL_RECEIVER = "kill a receiver"
KILL_WORKER = "kill workers"
KILL_COMMAND = "kill a command"
FREEZE_RECEIVER = "freeze a receiver"
FREEZE_WORKER = "freeze workers past their leases"
KILL_REDIS = "kill Redis"
FREEZE_REDIS = "freeze Redis"
FILL_REDIS = "fill Redis"
READONLY_REDIS = "make Redis read-only"
DROP_CONNECTIONS = "drop Redis connections"
DELAY_CONNECTIONS = "delay Redis connections"
KILL_PRIMARY = "kill a primary"
FREEZE_PRIMARY = "freeze a primary"
MOVE_SLOT = "move a slot"
KILL_SINK = "kill the sink"
SINK_500 = "sink answers 500"
SINK_429 = "sink answers 429"
SINK_GARBAGE = "sink answers garbage"
SINK_SILENT = "sink never answers"

LASTS_S = {
    KILL_RECEIVER: (0.0, 0.0),
    KILL_WORKER: (0.0, 0.0),
    KILL_COMMAND: (0.0, 0.0),
    FREEZE_RECEIVER: (1.0, 12.0),  # a sender waits for at most ten
    FREEZE_WORKER: (4.0, 8.0),
    KILL_REDIS: (0.0, 6.0),
    FREEZE_REDIS: (1.0, 8.0),
    FILL_REDIS: (2.0, 5.0),
    READONLY_REDIS: (2.0, 5.0),
    DROP_CONNECTIONS: (2.0, 5.0),
    DELAY_CONNECTIONS: (3.0, 6.0),
    KILL_PRIMARY: (0.0, 6.0),
    FREEZE_PRIMARY: (1.0, 8.0),
    MOVE_SLOT: (0.0, 1.0),  # until it is moved back
    KILL_SINK: (0.5, 5.0),
    SINK_500: (1.0, 5.0),
    SINK_429: (2.0, 5.0),
    SINK_GARBAGE: (1.0, 4.0),
    SINK_SILENT: (2.0, 5.0),
}
"""The shortest and the longest duration in seconds."""

OF_CLUSTERS = (KILL_PRIMARY, FREEZE_PRIMARY, MOVE_SLOT)
ON_CLUSTER = (*OF_CLUSTERS, KILL_WORKER)
ALL = tuple(kind for kind in LASTS_S if kind not in OF_CLUSTERS)

_WITH_A_KILL = 0.25


class Disruption(Struct, frozen=True):
    """A disruption of the stack."""

    at: int
    """Number of events that are started before it."""
    kind: str
    lasts_s: float
    victim: int
    """Selects the process if there are several: any number, to be taken modulo their count."""
    kills_too: bool
    """True if a worker is killed during it."""

    @property
    def name(self) -> str:
        return f"{self.kind} + a worker" if self.kills_too else self.kind


def schedule(
    seed: int, events: int, count: int, kinds: Sequence[str] = ALL, *, length: float = 1.0
) -> list[Disruption]:
    """Return `count` disruptions over the run; the numbers of each kind differ by at most one.

    length: factor for the duration of each.
    """
    rng = random.Random(f"disruptions/{seed}")
    drawn_kinds: list[str] = []
    while len(drawn_kinds) < count:
        drawn_kinds += rng.sample(kinds, len(kinds))
    every = events / (count + 1)
    drawn = []
    for place, kind in enumerate(drawn_kinds[:count], start=1):
        lasts_s = rng.uniform(*LASTS_S[kind]) * length
        at = int(every * (place + rng.uniform(-0.3, 0.3)))
        drawn.append(
            Disruption(at, kind, lasts_s, rng.randrange(1000), lasts_s > 0 and rng.random() < _WITH_A_KILL)
        )
    return drawn
