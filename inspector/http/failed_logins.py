"""Wrong passwords and tokens: each is slowed down and logged; a right one is never refused.

A right credential is taken however many wrong ones came before it, since anybody can send wrong ones in the name
of a user, or from behind the same proxy. So guesses at passwords are slowed down before they are looked at: for
users and addresses with too many failures, PASSWORDS_PER_S are looked at in a second, one after another. As a
connection sends one at a time and there are at most 500 (protocol.py), a right password waits 10 s at worst.
Tokens are random and have 20 characters or more, which cannot be guessed: they never wait.

What looking costs is bounded as well: SHA-256 digests are compared, once for a password and once a user for a
token. There is no password hash to compute, since the passwords of the config are known in clear.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Literal

from inspector.http.login_throttle import LoginThrottle

PASSWORDS_PER_S = 50
"""Looked at of users and addresses with too many failures."""

_LOG_EVERY_S = 1.0
"""Of tries that have to wait, one line in so many seconds; the others are counted in it."""

Kind = Literal["login", "token"]

log = logging.getLogger("hookline.inspector")


class Attempts:
    """Tries to get in, of one process."""

    def __init__(self, throttle: LoginThrottle) -> None:
        self._throttle = throttle
        self._turn = asyncio.Lock()
        self._unlogged = 0
        self._logged_s = float("-inf")

    async def wait(self, keys: Sequence[str], *, is_gone: Callable[[], bool]) -> None:
        """Return when a password may be looked at. `is_gone`: whether the client has left, which costs no time."""
        if not self._throttle.wait_s(keys):
            return
        async with self._turn:
            if not is_gone():
                await asyncio.sleep(1 / PASSWORDS_PER_S)

    def failed(self, kind: Kind, keys: Sequence[str], *, address: str, user: str) -> float:
        """Count and log a wrong try; returns the seconds to wait before the next one, 0 for none.

        `user`: the name of a user that there is, else "". Nothing else that was typed in is ever logged: it may be
        a password in the wrong field.
        """
        wait_s = self._throttle.wait_s(keys)
        if wait_s:
            self._log_held(kind, address)
            return wait_s
        self._throttle.failed(keys)
        log.warning(
            "refused a %s: it is wrong (from %s)",
            kind,
            address,
            extra={"action": f"inspector_{kind}_refused", "address": address, **({"user": user} if user else {})},
        )
        return 0.0

    def _log_held(self, kind: Kind, address: str) -> None:
        self._unlogged += 1
        now_s = monotonic()
        if now_s - self._logged_s < _LOG_EVERY_S:
            return
        log.warning(
            "refused %d more wrong tries after too many, the last a %s from %s",
            self._unlogged,
            kind,
            address,
            extra={"action": "inspector_tries_refused", "address": address, "count": self._unlogged},
        )
        self._unlogged, self._logged_s = 0, now_s
