"""The search terms of dead letters, and the partitions of their events, as workers with this config find them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from broker.dead_letters import StoredDeadLetter
from broker.dead_letters.replay import notification_of
from sources.settings import Settings
from sources.source_kinds import provider_of
from worker.search_terms import bucket_of, terms_of


def terms(sources: Mapping[str, Settings]) -> Callable[[StoredDeadLetter], Sequence[str]]:
    """Returns a function that lists the search terms of a dead letter, and never raises.

    A dead letter that cannot be read, or whose source is not configured, has no terms.
    """
    kinds = {name: provider_of(source) for name, source in sources.items()}

    def of(stored_letter: StoredDeadLetter) -> Sequence[str]:
        letter = stored_letter.letter
        if letter.stage == "notify" and not letter.job:
            return terms_of(notification_of(stored_letter), kinds)
        if letter.source in kinds and letter.reason != "unreadable":
            return kinds[letter.source].terms(stored_letter.body)
        return ()

    return of


def buckets(sources: Mapping[str, Settings]) -> Callable[[StoredDeadLetter], int | None]:
    """Returns a function that finds the bucket of a dead notification's event, and never raises.

    It returns None for other dead letters, and for one whose event cannot be decoded.
    """
    kinds = {name: provider_of(source) for name, source in sources.items()}

    def of(stored_letter: StoredDeadLetter) -> int | None:
        letter = stored_letter.letter
        is_notification = letter.stage == "notify" and not letter.job
        return bucket_of(notification_of(stored_letter), kinds) if is_notification else None

    return of
