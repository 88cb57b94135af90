"""Login sessions. They are kept in the memory of this process, so a restart logs all users out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from time import monotonic

from msgspec import Struct

from inspector.http.form_tokens import new_id
from inspector.settings import Settings
from inspector.sign_in.identity import Identity

MOST = 1000
"""Most sessions. Beyond it the least recently used session ends."""


class _Session(Struct):
    identity: Identity
    began_s: float
    seen_s: float


class Sessions:
    """The sessions, by a digest of their id, so that the time of a lookup does not depend on the id."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = monotonic) -> None:
        self._idle_s = settings.session_idle_s
        self._max_s = settings.session_max_s
        self._clock = clock
        self._sessions: dict[bytes, _Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, identity: Identity) -> str:
        """Begin a session; return its id, which is always new."""
        session_id, now_s = new_id(), self._clock()
        if len(self._sessions) >= MOST:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[_key(session_id)] = _Session(identity, now_s, now_s)
        return session_id

    def user_of(self, session_id: str, *, is_user_action: bool) -> Identity | None:
        """The user of a session; None if it has ended. With `is_user_action` the idle time begins again."""
        key = _key(session_id)
        session = self._sessions.get(key)
        if session is None:
            return None
        now_s = self._clock()
        if now_s - session.seen_s > self._idle_s or now_s - session.began_s > self._max_s:
            del self._sessions[key]
            return None
        if is_user_action:
            session.seen_s = now_s
            # The most recently used session is the last one.
            self._sessions[key] = self._sessions.pop(key)
        return session.identity

    def end(self, session_id: str) -> None:
        """End a session, if it exists."""
        self._sessions.pop(_key(session_id), None)


def _key(session_id: str) -> bytes:
    return hashlib.sha256(session_id.encode("utf-8", "surrogateescape")).digest()
