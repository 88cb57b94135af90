"""Slows down and logs wrong passwords and tokens. A correct one is never rejected.

A correct password or token is accepted even after many wrong ones, since an attacker can send wrong ones in the
name of a user, or from behind the same proxy. Therefore passwords are slowed down before they are checked: for
users and addresses with too many failures, PASSWORDS_PER_S are checked per second, one after another. A connection
sends one at a time and there are at most 500 connections (http_protocol.py), so a correct password waits at most
10 s. Tokens are random and have 20 characters or more, which cannot be guessed, so they never wait.

The cost of a check is bounded as well: SHA-256 digests are compared, once for a password and once per user for a
token. There is no password hash to compute, since the config holds the passwords in clear text.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Literal

from inspector.http.login_throttle import LoginThrottle

PASSWORDS_PER_S = 50
"""Passwords checked per second for users and addresses with too many failures."""

_LOG_EVERY_S = 1.0
"""Seconds between two log lines about throttled attempts. A line has the number of attempts since the last one."""

Kind = Literal["login", "token"]

log = logging.getLogger("hookline.inspector")


class FailedLogins:
    """The failed logins of one process."""

    def __init__(self, throttle: LoginThrottle) -> None:
        self._throttle = throttle
        self._turn = asyncio.Lock()
        self._unlogged = 0
        self._logged_s = float("-inf")

    async def wait(self, keys: Sequence[str], *, is_gone: Callable[[], bool]) -> None:
        """Wait until a password may be checked. Does not wait if `is_gone` says that the client has
        disconnected."""
        if not self._throttle.wait_s(keys):
            return
        async with self._turn:
            if not is_gone():
                await asyncio.sleep(1 / PASSWORDS_PER_S)

    def failed(self, kind: Kind, keys: Sequence[str], *, address: str, user: str) -> float:
        """Count and log a failed attempt; return the seconds to wait before the next one, or 0.

        `user`: the name if such a user exists, else "".
        """
        # Nothing else that was typed is logged, since it may be a password in the wrong field.
        wait_s = self._throttle.wait_s(keys)
        if wait_s:
            self._log_held(kind, address)
            return wait_s
        self._throttle.failed(keys)
        log.warning(
            "rejected a wrong %s from %s",
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
            "rejected %d more failed attempts after too many others; the last was a %s from %s",
            self._unlogged,
            kind,
            address,
            extra={"action": "inspector_tries_refused", "address": address, "count": self._unlogged},
        )
        self._unlogged, self._logged_s = 0, now_s
