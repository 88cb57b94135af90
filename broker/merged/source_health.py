"""The health of sources in all partitions.

A batch records in its own partition that webhooks were accepted, while errors are usually recorded in the control
partition. So a series of errors may have ended in another partition than the one that has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from broker.monitoring.source_health import SourceFacts, end_failures
from broker.redis.partitions import Partitions

FactsByName = Mapping[str, SourceFacts]

Outage = tuple[int, int, int]
"""The first and last ms since 1970, and the number of 5xx responses."""


def merge_sources(partitions: Iterable[FactsByName]) -> dict[str, SourceFacts]:
    """Return the facts of each source, by name. partitions: the facts that each partition has."""
    by_name: dict[str, list[SourceFacts]] = {}
    for facts_by_name in partitions:
        for name, facts in facts_by_name.items():
            by_name.setdefault(name, []).append(facts)
    return {name: facts[0] if len(facts) == 1 else _merge(facts) for name, facts in by_name.items()}


async def end_old_failures(partitions: Partitions, facts: Mapping[int, FactsByName]) -> None:
    """End the errors in each partition after which another partition accepted webhooks.

    Without this, the next error would look like a part of the old series. facts: by the number of the partition.
    Safe to repeat. Raises BrokerError.
    """
    accepted = {name: source.last_accepted_ms for name, source in merge_sources(facts.values()).items()}
    for number, facts_by_name in facts.items():
        ended = {name: accepted[name] for name, source in facts_by_name.items() if _is_old(source, accepted[name])}
        if ended:
            await end_failures(partitions[number], ended)


def _is_old(facts: SourceFacts, accepted_ms: int) -> bool:
    return 0 < facts.failing_last_ms <= accepted_ms or 0 < facts.refused_last_ms <= accepted_ms


def _merge(each: list[SourceFacts]) -> SourceFacts:
    accepted_ms = max(facts.last_accepted_ms for facts in each)
    failing = [facts for facts in each if facts.failing_last_ms > accepted_ms]
    refused = [facts for facts in each if facts.refused_last_ms > accepted_ms]
    since_ms, until_ms, answers = _last_outage(each, accepted_ms)
    last_failing = max(failing, key=lambda facts: facts.failing_last_ms, default=SourceFacts())
    last_refused = max(refused, key=lambda facts: facts.refused_last_ms, default=SourceFacts())
    return SourceFacts(
        watched_since_ms=min((f.watched_since_ms for f in each if f.watched_since_ms), default=0),
        last_accepted_ms=accepted_ms,
        failing_since_ms=max(accepted_ms, min(f.failing_since_ms for f in failing)) if failing else 0,
        failing_last_ms=last_failing.failing_last_ms,
        failing_answers=sum(facts.failing_answers for facts in failing),
        failing_status=last_failing.failing_status,
        refused_since_ms=max(accepted_ms, min(f.refused_since_ms for f in refused)) if refused else 0,
        refused_last_ms=last_refused.refused_last_ms,
        refused_answers=sum(facts.refused_answers for facts in refused),
        refused_status=last_refused.refused_status,
        outage_since_ms=since_ms,
        outage_until_ms=until_ms,
        outage_answers=answers,
    )


def _last_outage(each: Iterable[SourceFacts], accepted_ms: int) -> Outage:
    """Return the outage that ended last, joined with those that overlap it."""
    outages: list[Outage] = []
    for facts in each:
        if facts.outage_since_ms:
            outages.append((facts.outage_since_ms, facts.outage_until_ms, facts.outage_answers))
        if 0 < facts.failing_last_ms <= accepted_ms:  # it ended in another partition
            outages.append((facts.failing_since_ms, facts.failing_last_ms, facts.failing_answers))
    if not outages:
        return 0, 0, 0
    first, *others = sorted(outages)
    since_ms, until_ms, answers = first
    for next_since_ms, next_until_ms, next_answers in others:
        if next_since_ms <= until_ms:
            until_ms, answers = max(until_ms, next_until_ms), answers + next_answers
        else:
            since_ms, until_ms, answers = next_since_ms, next_until_ms, next_answers
    return since_ms, until_ms, answers
