"""The record that the sink writes, read while it grows."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from tests.chaos.events import BALANCE, SUMMARY
from tests.chaos.sink import OK

What = tuple[int, str]
"""(number of the event, rule): one notification. A digest has the number of its first event."""


class Resend(Struct, frozen=True):
    """A notification that was sent again though the sink had accepted it."""

    what: What
    taken_at_s: float
    again_at_s: float


class Try(Struct, frozen=True):
    """An attempt to notify of a balance."""

    at_s: float
    number: int
    key: str
    is_taken: bool


class Record:
    """`refresh` reads new lines; the other members describe what was read."""

    def __init__(self, path: Path) -> None:
        path.touch()
        self._file = path.open("rb")
        self._partial = b""
        self.keys: dict[What, set[str]] = {}
        self.taken_at_s: dict[What, float] = {}
        """Time of the sink's first 2xx answer."""
        self.resends: list[Resend] = []
        self.digests: dict[str, set[tuple[int, ...]]] = {}
        """The events of each digest by its key: several sets if the key was repeated with other events."""
        self.taken_digests: set[str] = set()
        self.balances: list[Try] = []
        """Attempts in the order in which they arrived."""
        self.tries = 0
        self.newest = -1
        """The highest number of an event that was accepted."""

    def refresh(self) -> None:
        *lines, self._partial = (self._partial + self._file.read()).split(b"\n")
        for line in lines:
            self._add(line.decode())

    def _add(self, line: str) -> None:
        at_s, listed, rule, key, how = line.split()
        numbers = tuple(map(int, listed.split(",")))
        what = (numbers[0], rule)
        self.tries += 1
        if rule == BALANCE:
            self.balances.append(Try(float(at_s), numbers[0], key, how == OK))
        if rule == SUMMARY:
            self.digests.setdefault(key, set()).add(numbers)
        else:
            self.keys.setdefault(what, set()).add(key)
        if how != OK:
            return
        if rule == SUMMARY:
            self.taken_digests.add(key)
        first = self.taken_at_s.setdefault(what, float(at_s))
        if first != float(at_s):
            self.resends.append(Resend(what, first, float(at_s)))
        self.newest = max(self.newest, numbers[-1])

    def close(self) -> None:
        self._file.close()
