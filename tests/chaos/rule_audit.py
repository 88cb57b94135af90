"""Audit of the rules that consider several events: latest only, and digests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tests.chaos.events import BALANCE, position_of, subject_of
from tests.chaos.record import Record, Try, What


def newest_by_subject(numbers: Iterable[int]) -> dict[int, int]:
    """Return the newest event of each subject by the events' own times."""
    return {subject_of(number): number for number in sorted(numbers, key=position_of)}


def superseded(expected: Iterable[int], notified: Iterable[int]) -> set[int]:
    """Return the events that need not be notified, because a newer event of their subject was."""
    newest = newest_by_subject(notified)
    return {
        number
        for number in expected
        if subject_of(number) in newest and position_of(number) < position_of(newest[subject_of(number)])
    }


def older_after_newer(balances: Iterable[Try], logged_s: Mapping[str, float]) -> list[What]:
    """Return events that reached the sink after a newer one of their subject that Hookline knew to be sent.

    logged_s: when a worker first logged each key as sent. Only this counts; that the sink accepted the newer one
    is not enough. If its answer came too late, or the worker was killed before it read the answer, Hookline cannot
    know it, and sends it again, possibly after an older one; for `ends_with_older` it must be the last then.
    """
    newest: dict[int, Try] = {}
    faults = []
    for one in sorted(_sent_and_tried(balances, logged_s), key=lambda one: one.at_s):
        newest_sent = newest.get(subject_of(one.number))
        if newest_sent and position_of(newest_sent.number) > position_of(one.number) and not one.is_taken:
            faults.append((one.number, BALANCE))
        if one.is_taken and (not newest_sent or position_of(newest_sent.number) < position_of(one.number)):
            newest[subject_of(one.number)] = one
    return faults


def _sent_and_tried(balances: Iterable[Try], logged_s: Mapping[str, float]) -> Iterable[Try]:
    """Yield each attempt when it arrived, and an accepted one when Hookline first knew that its key was sent."""
    keys = {}
    for one in balances:
        keys[one.key] = one.number
        yield Try(one.at_s, one.number, one.key, is_taken=False)
    for key, number in keys.items():
        if key in logged_s:
            yield Try(logged_s[key], number, key, is_taken=True)


def ends_with_older(balances: Iterable[Try], expected: Iterable[int]) -> list[What]:
    """Return the newest events of subjects of which the sink accepted another event last."""
    last = {subject_of(one.number): one.number for one in balances if one.is_taken}
    newest = newest_by_subject(expected)
    return [(number, BALANCE) for subject, number in newest.items() if last.get(subject) != number]


def in_several_digests(record: Record) -> list[str]:
    """Return events that are in two digests, and digests whose key was repeated with other events."""
    digest_of: dict[int, str] = {}
    faults = []
    for key, contents in record.digests.items():
        if len(contents) > 1:
            faults.append(f"digest {key} came with {sorted(contents)}")
        again = [number for number in set().union(*contents) if digest_of.setdefault(number, key) != key]
        faults += [f"event {number} is in the digests {digest_of[number]} and {key}" for number in again]
    return faults


def in_taken_digests(record: Record) -> set[int]:
    """Return the events of all digests that the sink accepted."""
    return {number for key in record.taken_digests for numbers in record.digests[key] for number in numbers}
