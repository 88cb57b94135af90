"""Whether rules that look at several events kept their promises: the latest only, and digests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tests.chaos.events import BALANCE, position_of, subject_of
from tests.chaos.record import Record, Try, What


def newest_by_subject(numbers: Iterable[int]) -> dict[int, int]:
    """The event of each subject that is the newest by its own time."""
    return {subject_of(number): number for number in sorted(numbers, key=position_of)}


def superseded(expected: Iterable[int], notified: Iterable[int]) -> set[int]:
    """The events that need not be notified, as a newer one of their subject was."""
    newest = newest_by_subject(notified)
    return {
        number
        for number in expected
        if subject_of(number) in newest and position_of(number) < position_of(newest[subject_of(number)])
    }


def older_after_newer(balances: Iterable[Try], logged_s: Mapping[str, float]) -> list[What]:
    """Events that reached the sink after a newer one of their subject that Hookline knew to be sent.

    logged_s: when a worker first logged each key as sent. Only that counts: that the sink has taken the newer one
    is not enough. Where its answer came too late, or the worker was killed before it read the answer, Hookline
    cannot know, and tries it again, possibly after an older one; for `ends_with_older` it must come last then.
    """
    newest: dict[int, Try] = {}
    found = []
    for one in sorted(_sent_and_tried(balances, logged_s), key=lambda one: one.at_s):
        known = newest.get(subject_of(one.number))
        if known and position_of(known.number) > position_of(one.number) and not one.is_taken:
            found.append((one.number, BALANCE))
        if one.is_taken and (not known or position_of(known.number) < position_of(one.number)):
            newest[subject_of(one.number)] = one
    return found


def _sent_and_tried(balances: Iterable[Try], logged_s: Mapping[str, float]) -> Iterable[Try]:
    """Each try as it came, and as a taken one the moment from which Hookline knew of a key that it was sent."""
    keys = {}
    for one in balances:
        keys[one.key] = one.number
        yield Try(one.at_s, one.number, one.key, is_taken=False)
    for key, number in keys.items():
        if key in logged_s:
            yield Try(logged_s[key], number, key, is_taken=True)


def ends_with_older(balances: Iterable[Try], expected: Iterable[int]) -> list[What]:
    """The newest events of subjects of which the sink took another one last."""
    last = {subject_of(one.number): one.number for one in balances if one.is_taken}
    newest = newest_by_subject(expected)
    return [(number, BALANCE) for subject, number in newest.items() if last.get(subject) != number]


def in_several_digests(record: Record) -> list[str]:
    """Events that are in two digests, and digests whose key came with other events the second time."""
    digest_of: dict[int, str] = {}
    found = []
    for key, contents in record.digests.items():
        if len(contents) > 1:
            found.append(f"digest {key} came with {sorted(contents)}")
        again = [number for number in set().union(*contents) if digest_of.setdefault(number, key) != key]
        found += [f"event {number} is in the digests {digest_of[number]} and {key}" for number in again]
    return found


def in_taken_digests(record: Record) -> set[int]:
    """The events of all digests that the sink took."""
    return {number for key in record.taken_digests for numbers in record.digests[key] for number in numbers}
