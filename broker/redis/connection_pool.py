"""Pooled connections that leave a server which is not, or no longer, the primary.

redis-py uses a connection for as long as it is open. After a failover the connection may lead to the old primary,
which is then a replica, or does not respond at all.
"""

from __future__ import annotations

import asyncio
import math
import re
import ssl
from contextlib import suppress
from typing import Any, Protocol

import hiredis
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.connection import AbstractConnection, Connection, UnixDomainSocketConnection
from redis.exceptions import AuthenticationError, MasterDownError, ReadOnlyError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from broker.redis.redis_url import Host

_NOT_PRIMARY = ("READONLY", "MASTERDOWN", "NOREPLICAS", "UNBLOCKED")
"""The errors of a replica, of a replica without a primary, of a primary whose replicas have left it, and of a
primary that becomes a replica while a command blocks.

Replicas that have left their primary may follow a new one.
"""

_CUT = re.compile(r"closed by server|connection lost|reset by peer|broken pipe", re.IGNORECASE)


class PrimaryFinder(Protocol):
    """Finds the address of the primary."""

    primary: Host | None
    """The address that was found last; None if it must be found again."""

    async def find(self) -> Host:
        """Find the address now. Raises redis-py's ConnectionError, or TimeoutError."""


_AT_ONCE = 32_768
"""The bytes that a connection takes without a pause. By default asyncio and uvloop pause above 65,536."""


class Pool(BlockingConnectionPool):
    """A pool that hands out a connection, and takes it back, at once if no command waits for one."""

    # redis-py makes a timer, takes a lock, and sends an event to listeners of credentials, for each command.

    _waiting = 0
    """The commands that wait for a connection."""

    async def get_connection(self, *_: Any, **__: Any) -> Any:
        """Get an open connection. Waits `timeout` seconds for one. Raises the errors of redis-py."""
        if not self.can_get_connection():
            self._waiting += 1
            try:
                return await super().get_connection()
            finally:
                self._waiting -= 1
        connection = self.get_available_connection()  # type: ignore[no-untyped-call]
        try:
            await self.ensure_connection(connection)
        except BaseException:
            await self.release(connection)
            raise
        return connection

    async def release(self, connection: AbstractConnection) -> None:
        """Take a connection back."""
        if self._waiting:
            await super().release(connection)
            return
        self._in_use_connections.remove(connection)
        self._available_connections.append(connection)


class PrimaryConnection(AbstractConnection):
    """A connection that closes itself if the server is not the primary. The next command opens a new one."""

    _opens = False
    _until_s = math.inf
    """When the server must have responded, by the clock of the event loop."""

    _timer: asyncio.TimerHandle | None = None

    def __init__(self, **options: Any) -> None:
        """Options: those of redis-py."""
        super().__init__(**options)
        # redis-py would set a timer for each response. Here one timer stays for all of a connection.
        self._response_timeout_s, self.socket_timeout = self.socket_timeout, None

    def _limit(self) -> None:
        """Close the connection if the server does not respond, or does not take a command, in time."""
        if self._response_timeout_s is None:
            return
        loop = asyncio.get_running_loop()
        self._until_s = loop.time() + self._response_timeout_s
        if self._timer is None:
            self._timer = loop.call_at(self._until_s, self._look_at_limit, loop)

    def _look_at_limit(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if self._until_s == math.inf or self._reader is None or self._writer is None:
            return
        if loop.time() < self._until_s:  # of a later response
            self._timer = loop.call_at(self._until_s, self._look_at_limit, loop)
            return
        self._reader.set_exception(TimeoutError())
        self._writer.transport.abort()

    async def can_read_destructive(self) -> bool:
        """Return whether the connection has ended, or has a response that no command waits for."""
        # redis-py waits for a round of the event loop to find out, before each command.
        stream = self._reader
        if stream is None or stream.at_eof() or stream.exception() is not None:
            return True
        return bool(stream._buffer) or self._parser._reader.has_data()  # type: ignore[attr-defined]  # noqa: SLF001

    def pack_command(self, *args: Any) -> Any:
        """Encode a command as Redis reads it."""
        # In C. A name of several words, such as `CONFIG GET`, and values that need care are left to redis-py.
        if " " not in args[0]:
            with suppress(TypeError, UnicodeEncodeError):
                return [hiredis.pack_command(args)]
        return super().pack_command(*args)

    async def read_response(self, *args: Any, **options: Any) -> Any:
        """Read a response. Raises the errors of redis-py, and ReadOnlyError if the server is not the primary."""
        if options.get("timeout") is None:
            self._limit()
        try:
            return await super().read_response(*args, **options)
        except (ReadOnlyError, MasterDownError) as error:
            await self.disconnect(nowait=True)
            raise ReadOnlyError(f"it is a replica: {error}") from None
        except ResponseError as error:  # the error of a script, or NOREPLICAS
            if not any(word in str(error) for word in _NOT_PRIMARY):
                raise
            await self.disconnect(nowait=True)
            raise ReadOnlyError(str(error)) from None
        finally:
            self._until_s = math.inf

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Send a command. Raises redis-py's ConnectionError also for a connection that uvloop has just lost."""
        if not self.is_connected:
            await self.connect()  # type: ignore[no-untyped-call]
        elif check_health:
            await self.check_health()
        try:
            # redis-py makes a task and a timer for each command, in case that the socket takes no more bytes.
            if self._writer is None or not _fits(self._writer, command):
                self._limit()
                return await super().send_packed_command(command, check_health=False)
            self._writer.writelines(command)
            await self._writer.drain()  # waits for nothing, but raises if the connection is lost
        except (RuntimeError, OSError) as error:  # uvloop raises RuntimeError, which redis-py does not expect
            await self.disconnect(nowait=True)
            raise RedisConnectionError(f"the connection was lost: {error}") from None
        except asyncio.CancelledError:  # its response may still come
            await self.disconnect(nowait=True)
            raise
        finally:
            self._until_s = math.inf

    async def check_health(self) -> None:
        """Check the connection, except while it opens."""
        # A connection that is lost while it opens would be opened again from within itself, without end.
        if not self._opens:
            await super().check_health()  # type: ignore[no-untyped-call]

    async def on_connect(self) -> None:
        """Log in. Raises AuthenticationError without the password if the server has no AUTH command."""
        self._opens = True
        try:
            await super().on_connect()
        except ResponseError as error:
            if self.password and self.password in str(error):  # "unknown command" repeats the arguments
                raise AuthenticationError("it does not know the command AUTH") from None
            raise
        finally:
            self._opens = False


class SocketConnection(PrimaryConnection, UnixDomainSocketConnection):
    """A connection to a unix socket."""

    # redis-py logs in here and then once more, and reports a refused login as a lost connection.
    async def _connect(self) -> None:
        """Open the socket, without logging in."""
        async with asyncio.timeout(self.socket_connect_timeout):
            self._reader, self._writer = await asyncio.open_unix_connection(self.path)


class HostConnection(PrimaryConnection, Connection):
    """A connection to a host, or to the primary that `finder` finds, with TLS if there is a context."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        has_certificate: bool = False,
        finder: PrimaryFinder | None = None,
        **options: Any,
    ) -> None:
        """has_certificate: True if `tls` has a client certificate for the server."""
        super().__init__(**options)
        self._tls = tls
        self._has_certificate = has_certificate
        self._finder = finder

    async def connect(self) -> None:
        """Open the connection if it is not open, or if the primary has changed.

        redis-py calls this before each command.
        """
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
        """Return which setting to check after a connection error; "" if none is likely to be wrong."""
        # With wrong TLS settings the server accepts a connection and then closes it.
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


def _fits(writer: asyncio.StreamWriter, command: Any) -> bool:
    """Return whether a connection takes a command without a pause. command: as redis-py packed it."""
    waiting = writer.transport.get_write_buffer_size()
    return isinstance(command, list) and waiting + sum(map(len, command)) <= _AT_ONCE
