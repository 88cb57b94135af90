"""TLS in front of a server of the tests, and the certificates for it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trustme

from tests.redis_server import RedisServer


class Certificates:
    """The certificates of one authority: for 127.0.0.1, for another host, and for a client."""

    def __init__(self, directory: Path) -> None:
        authority = trustme.CA()
        self.server = self._context(authority.issue_cert("127.0.0.1"))
        self.other_host = self._context(authority.issue_cert("other.example"))
        self.asking = self._context(authority.issue_cert("127.0.0.1"))
        self.asking.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(self.asking)
        self.ca_file = str(directory / "ca.pem")
        authority.cert_pem.write_to_path(self.ca_file)
        self.client_file = str(directory / "client.pem")
        authority.issue_cert("hookline").private_key_and_cert_chain_pem.write_to_path(self.client_file)

    def _context(self, certificate: trustme.LeafCert) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        return context


@asynccontextmanager
async def tls_before(server: RedisServer, context: ssl.SSLContext) -> AsyncIterator[int]:
    """Yield a port of 127.0.0.1 that speaks TLS and forwards to the server."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_unix_connection(server.socket)
        await asyncio.gather(pump(reader, up_writer), pump(up_reader, writer))

    listening = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    async with listening:
        yield listening.sockets[0].getsockname()[1]
