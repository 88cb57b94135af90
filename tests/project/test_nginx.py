"""Tests of the nginx configuration of docs/operations.md, with a real nginx and a real receiver."""

from __future__ import annotations

import asyncio
import io
import re
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest
import trustme
from yarl import URL

from broker.redis.client import Client
from sources.settings import Settings as SourceSettings
from sources.voucherify import HEADER, sign
from tests.ports import free_port
from tests.programs import find, needs
from tests.receiver.serving import SECRET, Served, serving, stored
from tests.until import until

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"
NGINX = find("nginx")
BODY = b'{"a":1}'
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")

pytestmark = needs("nginx")


class Proxied:
    def __init__(self, port: int, session: aiohttp.ClientSession) -> None:
        self._base = f"https://hooks.example.com:{port}"
        self._session = session

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> int:
        signed = {HEADER: sign(body, SECRET)} | {name.replace("_", "-"): value for name, value in headers.items()}
        url = URL(f"{self._base}{path}", encoded=True)
        async with self._session.request(method, url, data=io.BytesIO(body), headers=signed) as answer:
            return answer.status


@contextmanager
def nginx(directory: Path, receiver_port: int, port: int) -> Iterator[ssl.SSLContext]:
    """Start nginx with the server of the document. Only its ports and files differ."""
    authority = trustme.CA()
    authority.issue_cert("hooks.example.com").private_key_and_cert_chain_pem.write_to_path(str(directory / "pem"))
    (block,) = re.findall(r"^```nginx\n(.*?)^```", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    server = block.replace("listen 443", f"listen 127.0.0.1:{port}").replace(":8080", f":{receiver_port}")
    server = re.sub(r"/etc/ssl/hooks\.example\.com\.(pem|key)", str(directory / "pem"), server)
    places = " ".join(f"{kind}_temp_path {directory}/{kind};" for kind in _TEMPORARY)
    (directory / "nginx.conf").write_text(
        f"daemon off; user root; pid {directory}/pid; events {{}}\nhttp {{ access_log off; {places}\n{server} }}"
    )
    assert NGINX is not None
    process = subprocess.Popen([NGINX, "-e", f"{directory}/log", "-c", f"{directory}/nginx.conf"])
    context = ssl.create_default_context()
    authority.configure_trust(context)
    try:
        yield context
    finally:
        process.terminate()
        process.wait()


async def listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return False
    writer.close()
    return True


class _Resolver(aiohttp.abc.AbstractResolver):
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[aiohttp.abc.ResolveResult]:
        result = aiohttp.abc.ResolveResult(
            hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=0
        )
        return [result]

    async def close(self) -> None:
        pass


@pytest.fixture
async def served(redis: Client) -> AsyncIterator[Served]:
    sources = {
        "voucherify": SourceSettings(secrets=(SECRET,)),
        "elsewhere": SourceSettings(secrets=(SECRET,), addresses=("203.0.113.7",)),
    }
    async with serving(redis, sources, trusted_proxies=("127.0.0.1",)) as served:
        yield served


@pytest.fixture
async def proxied(served: Served, tmp_path: Path) -> AsyncIterator[Proxied]:
    port = free_port()
    with nginx(tmp_path, served.port, port) as context:
        await until(lambda: listens(port))
        # The client has another address than the proxy, since the proxy is trusted.
        connector = aiohttp.TCPConnector(
            ssl=context, resolver=_Resolver(), family=socket.AF_INET, local_addr=("127.0.0.2", 0)
        )
        async with aiohttp.ClientSession(connector=connector) as session:
            yield Proxied(port, session)


async def test_webhooks_arrive_through_tls(proxied: Proxied, redis: Client) -> None:
    assert await proxied.ask("POST", "/webhooks/voucherify", BODY) == 202
    assert await proxied.ask("POST", "//webhooks//voucherify/", BODY) == 202
    assert await proxied.ask("POST", "/webhooks/voucherify", BODY, X_Amzn_Oidc_Data="x" * 8_300) == 202
    assert await stored(redis) == [BODY] * 3


async def test_refusals_of_the_receiver_reach_the_client(proxied: Proxied, redis: Client) -> None:
    assert await proxied.ask("POST", "/webhooks/voucherify", BODY, **{HEADER: "0" * 64}) == 401
    assert await proxied.ask("POST", "/webhooks/unknown", BODY) == 404
    assert await proxied.ask("POST", "/webhooks/voucherify", b"x" * 1_100_000) == 413
    assert await stored(redis) == []


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/metrics", "/readyz", "/healthz", "//metrics", "/metrics/", "/webhooks"),
        *("/webhooks/../metrics", "/webhooks/%2e%2e/metrics", "/webhooks/..%2fmetrics", "/webhooks//..//metrics"),
        *("/webhooks/.%2e/readyz", "/%77ebhooks/../readyz", "/metrics/../webhooks/../readyz"),
        *("/webhooks/..;/metrics", "/webhooks/%252e%252e/metrics"),
    ],
)
async def test_pages_are_not_reachable(proxied: Proxied, path: str) -> None:
    assert await proxied.ask("GET", path) in {400, 404, 301}


async def test_a_sender_cannot_claim_another_address(proxied: Proxied) -> None:
    claims = {"X_Forwarded_For": "203.0.113.7", "Forwarded": "for=203.0.113.7", "X_Real_IP": "203.0.113.7"}
    for claim in ({}, claims, {"Forwarded": claims["Forwarded"]}):
        assert await proxied.ask("POST", "/webhooks/elsewhere", BODY, **claim) == 403
