"""Connections to one SMTP server, which are kept for the next e-mail."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time

from aiosmtplib import SMTP, SMTPConnectError, SMTPException
from msgspec import Struct

from worker.channels.settings import EmailSettings
from worker.channels.tls import client_tls

IDLE_S = 30.0
"""Seconds after which an unused connection is closed. Servers close theirs after five minutes (RFC 5321)."""

_QUIT_S = 1.0


class OpeningError(Exception):
    """No connection could be opened; `cause` is the reason."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _Idle(Struct, frozen=True):
    connection: SMTP
    since: float
    is_clean: bool


class Pool:
    """Keeps as many connections as e-mails are sent at a time. Raises ChannelError for an unusable `ca_file`."""

    def __init__(self, settings: EmailSettings, *, idle_s: float = IDLE_S) -> None:
        self._settings = settings
        self._idle_s = idle_s
        self._tls = None if settings.security == "none" else client_tls(ca_file=settings.ca_file)
        self._idle: list[_Idle] = []
        self._quits: set[asyncio.Task[None]] = set()
        self._reaper: asyncio.TimerHandle | None = None

    async def take(self) -> tuple[SMTP, bool]:
        """Return a connection, and whether it is new. Raises OpeningError."""
        while self._idle:
            idle = self._idle.pop()
            is_usable = idle.connection.is_connected and time.monotonic() - idle.since < self._idle_s
            if is_usable and (idle.is_clean or await _is_reset(idle.connection)):
                return idle.connection, False
            idle.connection.close()
        return await self._open(), True

    async def _open(self) -> SMTP:
        """Open a connection, encrypted and logged in as the settings say. Raises OpeningError."""
        settings = self._settings
        connection = SMTP(
            hostname=settings.host,
            port=settings.port or None,
            username=settings.username or None,
            password=settings.password.reveal() if settings.username and settings.password else None,
            use_tls=settings.security == "tls",
            start_tls=settings.security == "starttls",
            tls_context=self._tls,
            timeout=settings.timeout_s,
        )
        try:
            await connection.connect()
            if not connection.last_ehlo_response:
                await connection.ehlo()
        except (SMTPException, OSError) as error:
            connection.close()
            cause = error.__cause__ if isinstance(error, SMTPConnectError) else None
            raise OpeningError(cause if isinstance(cause, ssl.SSLError) else error) from None
        except BaseException:
            connection.close()
            raise
        return connection

    def give_back(self, connection: SMTP, *, is_clean: bool = True) -> None:
        """Keep a connection for the next e-mail; is_clean: False if an e-mail may be incomplete on it."""
        if not connection.is_connected:
            return
        self._idle.append(_Idle(connection, time.monotonic(), is_clean))
        if self._reaper is None:
            self._reaper = asyncio.get_running_loop().call_later(self._idle_s, self._reap)

    async def close(self) -> None:
        """Send QUIT on every idle connection, and wait up to a second for the answers."""
        if self._reaper:
            self._reaper.cancel()
        idle, self._idle = self._idle, []
        for entry in idle:
            self._close(entry.connection)
        if self._quits:
            await asyncio.wait(self._quits)

    def _reap(self) -> None:
        now = time.monotonic()
        old = [idle for idle in self._idle if now - idle.since >= self._idle_s]
        self._idle = [idle for idle in self._idle if now - idle.since < self._idle_s]
        for idle in old:
            self._close(idle.connection)
        self._reaper = None
        if self._idle:
            wait_s = self._idle[0].since + self._idle_s - now
            self._reaper = asyncio.get_running_loop().call_later(wait_s, self._reap)

    def _close(self, connection: SMTP) -> None:
        task = asyncio.create_task(_quit(connection))
        self._quits.add(task)
        task.add_done_callback(self._quits.discard)


async def _is_reset(connection: SMTP) -> bool:
    try:
        await connection.rset()
    except (SMTPException, OSError):
        return False
    except BaseException:
        connection.close()
        raise
    return True


async def _quit(connection: SMTP) -> None:
    with contextlib.suppress(SMTPException, OSError):
        await connection.quit(timeout=_QUIT_S)
    connection.close()
