"""Send notifications now that wait, or cancel them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from broker.redis.errors import BrokerError
from broker.redis.partitions import Partitions
from broker.waiting import changes
from broker.waiting.changes import ChangeOutcome
from broker.waiting.listing import read_one
from broker.waiting.notification import Place, WaitingNotification, place_of

Verb = Literal["send_now", "cancel"]
Outcome = ChangeOutcome | Literal["away"]

MAX_PLACES = 100
"""The most notifications that are changed together."""

TEXTS: Mapping[Outcome, str] = {
    "done": "",
    "running": "a worker is sending it now, so it was not changed",
    "gone": "it does not wait here any more: it was sent, cancelled, or put off again",
    "due": "it is due already, and is sent as soon as a worker is free",
    "paused": "its channel is paused: resume the channel to send it",
    "open": "the circuit breaker of its channel is open: try the channel now, or wait until it works again",
    "digest": "it is a digest, which is sent when its window ends",
    "unreadable": "a newer version wrote it, so this one cannot change it",
    "away": "it is not known whether it was changed; look again later",
}
"""Why nothing was changed, in a sentence without its full stop."""

DONE: Mapping[Verb, str] = {"send_now": "it is due now", "cancel": "it is cancelled, and counts as skipped"}


def parse_places(ids: Sequence[str]) -> list[Place]:
    """Return the places with these ids, each once. Raises ValueError for another text, and for too many."""
    places = list(dict.fromkeys(map(place_of, ids)))
    if len(places) > MAX_PLACES:
        raise ValueError(f"at most {MAX_PLACES} notifications can be changed together")
    return places


class Changed(Struct, frozen=True):
    """The result for one notification."""

    place: Place
    outcome: Outcome
    text: str
    """The outcome in words, without a full stop."""

    waiting: WaitingNotification | None
    """The notification as it waited before; None if it did not."""

    @property
    def is_done(self) -> bool:
        """Return whether the notification was changed."""
        return self.outcome == "done"


async def change(
    partitions: Partitions, verb: Verb, places: Sequence[Place], *, by: str, writes_history: bool = True
) -> list[Changed]:
    """Change notifications, one step for each. A partition that is away does not stop the others.

    by: the name of the person. writes_history: whether a cancelled notification gets a row in the history.
    """
    return [await _change_one(partitions, verb, place, by=by, writes_history=writes_history) for place in places]


async def read_places(partitions: Partitions, places: Sequence[Place]) -> list[WaitingNotification]:
    """Return those of the notifications that still wait in these places. Raises BrokerError."""
    read = [await read_one(partitions[place.partition], place) for place in places if _exists(partitions, place)]
    return [waiting for waiting in read if waiting is not None]


def _exists(partitions: Partitions, place: Place) -> bool:
    return place.partition < len(partitions)


async def _change_one(
    partitions: Partitions, verb: Verb, place: Place, *, by: str, writes_history: bool
) -> Changed:
    if not _exists(partitions, place):
        return _changed(verb, place, "gone", None)
    redis = partitions[place.partition]
    waiting = None
    try:
        waiting = await read_one(redis, place)
        if waiting is None:
            return _changed(verb, place, "gone", None)
        if verb == "cancel":
            outcome = await changes.cancel(redis, waiting, by=by, writes_history=writes_history)
        else:
            outcome = await changes.send_now(redis, waiting, by=by)
    except BrokerError as error:
        text = TEXTS["away"] if waiting else "it was not changed"  # the error came before the step, or in it
        return Changed(place, "away", f"{text}: {error}", waiting)
    return _changed(verb, place, outcome, waiting)


def _changed(verb: Verb, place: Place, outcome: Outcome, waiting: WaitingNotification | None) -> Changed:
    return Changed(place, outcome, TEXTS[outcome] or DONE[verb], waiting)
