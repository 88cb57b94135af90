"""The connections of a pool. They do not stay with a server that is no longer, or never was, the primary.

redis-py keeps a connection for as long as it is open. After a failover that may be one to the old primary, which
then is a replica, or away without a word.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from redis.asyncio.connection import AbstractConnection, Connection, UnixDomainSocketConnection
from redis.exceptions import AuthenticationError, MasterDownError, ReadOnlyError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from broker.redis.redis_url import Host

_NOT_PRIMARY = ("READONLY", "MASTERDOWN", "NOREPLICAS")
"""A replica, one without its primary, and a primary that its replicas have left, maybe for a new one."""


_CUT = re.compile(r"closed by server|connection lost|reset by peer|broken pipe", re.IGNORECASE)


class Finder(Protocol):
    """Who knows the primary."""

    primary: Host | None
    """Where it was when last asked."""

    find: Callable[[], Awaitable[Host]]
    """Ask where it is now. Raises redis-py's ConnectionError, or TimeoutError."""


class _Link(AbstractConnection):
    """Ends when the server refuses writes as one that is not the primary: the next use opens a new one."""

    _opens = False

    async def read_response(self, *args: Any, **options: Any) -> Any:
        """The answer. Raises as redis-py does, and ReadOnlyError for whoever takes no writes for such a reason."""
        try:
            return await super().read_response(*args, **options)
        except (ReadOnlyError, MasterDownError) as error:
            await self.disconnect(nowait=True)
            raise ReadOnlyError(f"it is a replica: {error}") from None
        except ResponseError as error:  # of a script, and of one without its replicas
            if not any(word in str(error) for word in _NOT_PRIMARY):
                raise
            await self.disconnect(nowait=True)
            raise ReadOnlyError(str(error)) from None

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """As redis-py does, which lets through what uvloop says of a connection that has just been lost."""
        try:
            await super().send_packed_command(command, check_health)
        except RuntimeError as error:
            await self.disconnect(nowait=True)
            raise RedisConnectionError(f"the connection was lost: {error}") from None

    async def check_health(self) -> None:
        """Not while it opens: one that is lost then would be opened from within itself, again and again."""
        if not self._opens:
            await super().check_health()  # type: ignore[no-untyped-call]

    async def on_connect(self) -> None:
        """Log in. Where a server does not know AUTH, its complaint repeats the password."""
        self._opens = True
        try:
            await super().on_connect()
        except ResponseError as error:
            if self.password and self.password in str(error):
                raise AuthenticationError("it does not know the command AUTH") from None
            raise
        finally:
            self._opens = False


class SocketLink(_Link, UnixDomainSocketConnection):
    """To a unix socket."""

    async def _connect(self) -> None:
        """As redis-py does, which logs in here and then again, and takes a refusal for a lost connection."""
        async with asyncio.timeout(self.socket_connect_timeout):
            self._reader, self._writer = await asyncio.open_unix_connection(self.path)


class HostLink(_Link, Connection):
    """To a host, or to the primary that `finder` knows; with TLS where a context is given."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        has_certificate: bool = False,
        finder: Finder | None = None,
        **options: Any,
    ) -> None:
        """has_certificate: whether `tls` holds one to show to the server."""
        super().__init__(**options)
        self._tls = tls
        self._has_certificate = has_certificate
        self._finder = finder

    async def connect(self) -> None:
        """Called before each use: a connection to who was the primary is left for one to who is."""
        if self.is_connected and self._finder is not None and self._finder.primary != (self.host, self.port):
            await self.disconnect(nowait=True)
        try:
            await super().connect()  # type: ignore[no-untyped-call]
        except AuthenticationError:
            raise
        except (RedisConnectionError, RedisTimeoutError) as error:
            advice = self._advice(str(error))
            if not advice:
                raise
            raise type(error)(f"{error} ({advice})") from None

    def _advice(self, said: str) -> str:
        """What to look at where the server ended a connection that it had accepted, as it does over TLS."""
        if self._tls is not None and "Timeout connecting" in said:
            return "if Redis does not speak TLS there, write redis:// instead of rediss:// in redis.url"
        if not _CUT.search(said):
            return ""
        if self._tls is None:
            return "if Redis speaks TLS there, write rediss:// in redis.url"
        if self._has_certificate:
            return "if Redis does not accept the client certificate, correct redis.tls_cert_file"
        return "if Redis asks for a client certificate, set redis.tls_cert_file"

    async def _connect(self) -> None:
        if self._finder is not None:
            self.host, self.port = await self._finder.find()
        await super()._connect()  # type: ignore[no-untyped-call]

    def _connection_arguments(self) -> dict[str, Any]:
        arguments = dict(super()._connection_arguments())
        return arguments | {"ssl": self._tls} if self._tls else arguments
