"""Who is logged in: kept in the memory of this process, so a restart logs everybody out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from time import monotonic

from msgspec import Struct

from inspector.http.form_tokens import new_id
from inspector.settings import Settings

MOST = 1000
"""Sessions at a time; beyond, the one that was used least lately ends."""


class _Session(Struct):
    user: str
    began_s: float
    seen_s: float


class Sessions:
    """By a digest of their id, so that how long a look-up takes says nothing of ids."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = monotonic) -> None:
        self._idle_s = settings.session_idle_s
        self._max_s = settings.session_max_s
        self._clock = clock
        self._sessions: dict[bytes, _Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, user: str) -> str:
        """A new session; returns its id, which is never one that a browser brought along."""
        session_id, now_s = new_id(), self._clock()
        if len(self._sessions) >= MOST:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[_key(session_id)] = _Session(user, now_s, now_s)
        return session_id

    def user_of(self, session_id: str, *, is_click: bool) -> str | None:
        """Whose session it is, None where it is none any more. `is_click`: a person did something: it goes on."""
        key = _key(session_id)
        session = self._sessions.get(key)
        if session is None:
            return None
        now_s = self._clock()
        if now_s - session.seen_s > self._idle_s or now_s - session.began_s > self._max_s:
            del self._sessions[key]
            return None
        if is_click:
            session.seen_s = now_s
            self._sessions[key] = self._sessions.pop(key)  # used last stands last
        return session.user

    def end(self, session_id: str) -> None:
        """Log out."""
        self._sessions.pop(_key(session_id), None)


def _key(session_id: str) -> bytes:
    return hashlib.sha256(session_id.encode("utf-8", "surrogateescape")).digest()
