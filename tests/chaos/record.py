"""What the sink wrote down, read while it grows."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from tests.chaos.sink import OK

What = tuple[int, str]
"""(number of the event, rule): one notification."""


class Resend(Struct, frozen=True):
    """A notification that was sent again though the sink had taken it."""

    what: What
    taken_at_s: float
    again_at_s: float


class Record:
    """`refresh` reads on; the rest tells what came until then."""

    def __init__(self, path: Path) -> None:
        path.touch()
        self._file = path.open("rb")
        self._partial = b""
        self.keys: dict[What, set[str]] = {}
        self.taken_at_s: dict[What, float] = {}
        """When the sink first answered 2xx."""
        self.resends: list[Resend] = []
        self.tries = 0
        self.newest = -1
        """The highest number of an event that was taken."""

    def refresh(self) -> None:
        *lines, self._partial = (self._partial + self._file.read()).split(b"\n")
        for line in lines:
            self._add(line.decode())

    def _add(self, line: str) -> None:
        at_s, number, rule, key, how = line.split()
        what = (int(number), rule)
        self.tries += 1
        self.keys.setdefault(what, set()).add(key)
        if how != OK:
            return
        first = self.taken_at_s.setdefault(what, float(at_s))
        if first != float(at_s):
            self.resends.append(Resend(what, first, float(at_s)))
        self.newest = max(self.newest, what[0])

    def close(self) -> None:
        self._file.close()
