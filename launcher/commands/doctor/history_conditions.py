"""Finds a history that is not sealed, or shorter than it should be. Pure: it depends on the facts alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from broker.history.facts import HistoryFacts
from broker.history.sealing import AGE_MS
from broker.history.settings import HistorySettings
from broker.redis.keys import HISTORY_TAIL_MAX
from broker.redis.partitions import named
from inspector.formatting import count_of, span
from inspector.formatting import size as bytes_of
from launcher.commands.doctor.finding import Finding, warning

LATE_MS = 3 * AGE_MS
"""Age of the oldest block from which on sealing is late. Workers look every 20 s for what is 5 minutes old."""

FULL = 0.9
"""Share of history.max_mb from which on the history is full: the oldest segment is removed as a whole."""

OVERFULL = 1.25
"""Share of history.max_mb from which on it was not removed, as workers do every few minutes."""

SHORT = 0.9
"""Share of history.keep_days below which the history is shorter than it should be."""

_DAY_MS = 86_400_000


def history_findings(
    histories: Mapping[int, HistoryFacts], settings: HistorySettings, *, partitions: int, has_workers: bool
) -> Iterator[Finding]:
    """Return the findings about sealing and size.

    histories: by partition. partitions: how many there are, among which max_mb is divided. Without a live worker
    nothing is sealed, which is another finding.
    """
    if has_workers:
        yield from _late(histories)
    if settings.is_on and histories:
        yield from _size(histories, settings, settings.max_mb * 1_000_000 / partitions)


def _late(histories: Mapping[int, HistoryFacts]) -> Iterator[Finding]:
    late = {
        number: history.at_ms - history.waiting_since_ms
        for number, history in histories.items()
        if history.waiting_since_ms and history.at_ms - history.waiting_since_ms > LATE_MS
    }
    if not late:
        return
    blocks = sum(histories[number].waiting_blocks for number in late)
    where = f" in {named(sorted(late))}" if len(histories) > 1 else ""
    yield warning(
        "history",
        f"{count_of(blocks, 'block')} of the history {'waits' if blocks == 1 else 'wait'} to be sealed{where}, the"
        f" oldest for {span(max(late.values()))}",
        "see the logs of the workers for history_failed, and let them run the same version; the history takes more"
        f" memory meanwhile, and beyond {HISTORY_TAIL_MAX:,} blocks of a partition its oldest events are lost",
    )


def _size(histories: Mapping[int, HistoryFacts], settings: HistorySettings, share: float) -> Iterator[Finding]:
    used = sum(history.segment_bytes for history in histories.values())
    fullest = max(history.segment_bytes for history in histories.values()) / share
    if fullest > OVERFULL:
        yield warning(
            "history",
            f"the history takes {bytes_of(used)}, more than history.max_mb allows ({settings.max_mb} MB)",
            "see the logs of the workers for history_failed, and check that they run with this config: they remove"
            " the oldest part every few minutes",
        )
    reached_ms = _reach_ms(histories, share)
    if fullest > FULL and reached_ms < SHORT * settings.keep_days * _DAY_MS:
        yield warning(
            "history",
            f"the history reaches back {span(reached_ms)} instead of {settings.keep_days:g} days: it takes"
            f" {bytes_of(used)}, and history.max_mb is {settings.max_mb}",
            "raise history.max_mb (and maxmemory of Redis by as much), or lower history.keep_days",
        )


def _reach_ms(histories: Mapping[int, HistoryFacts], share: float) -> int:
    """For how many ms back all full partitions have their events."""
    full = [history for history in histories.values() if history.segment_bytes > FULL * share]
    return min((history.at_ms - history.since_ms for history in full), default=0)
