"""The state of a login between its two requests, all of it in a cookie of the browser that began it.

State, nonce and PKCE verifier are computed from the cookie with a key of this process. So nothing is stored for a
login that has only begun, of which a client could begin any number, and none can be finished in another browser.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from time import monotonic

from cachetools import TTLCache
from msgspec import Struct

LOGIN_S = 600
"""Seconds that a login may take at the provider."""

MOST_USED = 10_000
"""Most finished logins that are remembered, so that none is finished twice. The provider refuses old codes too."""

_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}\.([0-9]{1,12})\.([A-Za-z0-9_=-]{1,1400})")


class Flow(Struct, frozen=True):
    """A login that has begun."""

    state: str
    nonce: str
    verifier: str
    next_path: str
    """The page to show after the login."""

    @property
    def challenge(self) -> str:
        """The PKCE challenge (S256) of the verifier."""
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()


class Flows:
    """The logins of one process. Logins from before a restart, or of another process, have to begin again."""

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._key = secrets.token_bytes(32)
        self._clock = clock
        self._used: TTLCache[str, bool] = TTLCache(MOST_USED, LOGIN_S, timer=clock)

    def begin(self, next_path: str) -> tuple[str, Flow]:
        """Begin a login; return the value of its cookie and its state."""
        page = base64.urlsafe_b64encode(next_path.encode()).decode()
        cookie = f"{secrets.token_urlsafe(32)}.{int(self._clock())}.{page}"
        return cookie, self._flow(cookie, next_path)

    def resume(self, cookie: str, state: str) -> Flow | None:
        """The login of a cookie and a state, once; None if they do not belong together, expired, or were used."""
        match = _COOKIE.fullmatch(cookie)
        if match is None:
            return None
        try:
            flow = self._flow(cookie, base64.urlsafe_b64decode(match[2]).decode())
        except ValueError:
            return None
        # Only with the state is it certain that this process wrote the cookie, and so its time and page.
        if not hmac.compare_digest(flow.state.encode(), state.encode("utf-8", "surrogateescape")):
            return None
        if self._clock() - int(match[1]) > LOGIN_S or flow.state in self._used:
            return None
        self._used[flow.state] = True
        return flow

    def _flow(self, cookie: str, next_path: str) -> Flow:
        def derived(purpose: str) -> str:
            return hmac.new(self._key, f"{purpose}:{cookie}".encode(), hashlib.sha256).hexdigest()

        return Flow(derived("state"), derived("nonce"), derived("verifier"), next_path)
