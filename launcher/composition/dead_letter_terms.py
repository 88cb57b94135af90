"""What dead letters can be found by, as workers with this config would say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from broker.dead_letters import StoredDeadLetter
from broker.dead_letters.replay import notification_of
from sources import KINDS
from sources.settings import Settings
from worker.delivery.search_terms import terms_of


def terms(sources: Mapping[str, Settings]) -> Callable[[StoredDeadLetter], Sequence[str]]:
    """Tells the terms of a dead letter. Never raises: what cannot be read, or has no source of these, has none."""
    kinds = {name: KINDS[source.kind] for name, source in sources.items()}

    def of(stored_letter: StoredDeadLetter) -> Sequence[str]:
        letter = stored_letter.letter
        if letter.stage == "notify" and not letter.job:
            return terms_of(notification_of(stored_letter), kinds)
        if letter.source in kinds and letter.reason != "unreadable":
            return kinds[letter.source].terms(stored_letter.body)
        return ()

    return of
