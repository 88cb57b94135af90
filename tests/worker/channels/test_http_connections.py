"""How the http channel connects: the URL as written, its own certificates, and the proxies of the environment."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

import pytest
import trustme

from tests.worker.channels.test_http import MESSAGE, sent, server
from worker.channels.errors import ChannelError
from worker.channels.http import HttpChannel
from worker.channels.settings import HttpSettings
from worker.outcome import Retry, Sent

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Requests:
    """A server that answers each request with 200 and keeps its head."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.port = 0

    @property
    def lines(self) -> list[str]:
        return [head.partition("\r\n")[0] for head in self.heads]

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.heads.append(head)
                if head.startswith("CONNECT "):
                    await self.tunnel(head, reader, writer)
                    return
                (length,) = [line for line in head.split("\r\n") if line.lower().startswith("content-length")]
                await reader.readexactly(int(length.partition(":")[2]))
                writer.write(OK)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def tunnel(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = head.split()[1].rpartition(":")
        there, back = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        await asyncio.gather(_pump(reader, back), _pump(there, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while some := await reader.read(65536):
        writer.write(some)
    writer.close()


@asynccontextmanager
async def answering(tls: ssl.SSLContext | None = None) -> AsyncIterator[Requests]:
    requests = Requests()
    started = await asyncio.start_server(requests.handle, "127.0.0.1", 0, ssl=tls)
    requests.port = started.sockets[0].getsockname()[1]
    try:
        yield requests
    finally:
        started.close()


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[trustme.CA]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    yield authority


def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/hook/a%2Fb?sig=x%2Fy%3D%3D%2B&t=%7E%27", "/hook/a%2Fb?sig=x%2Fy%3D%3D%2B&t=%7E%27"),
        ("/a/../b//c?q='~!*()", "/a/../b//c?q='~!*()"),
        ("/%zz?a", "/%zz?a"),
        ("?x=1", "/?x=1"),
        ("", "/"),
        ("/a b/\u00e4?q=\u00e4 b", "/a%20b/%C3%A4?q=%C3%A4+b"),
    ],
)
async def test_the_url_is_sent_as_it_is_written(path: str, target: str) -> None:
    async with answering() as requests:
        assert await sent(f"http://127.0.0.1:{requests.port}{path}") == [Sent(200)]
    assert requests.lines == [f"POST {target} HTTP/1.1"]


async def test_the_user_agent_is_hookline_unless_the_headers_override_it() -> None:
    async with server() as taken:
        await sent(taken.url)
        await sent(taken.url, headers={"user-agent": "Shop/2"})
        (first, _), (second, _) = taken.posts
    assert first["User-Agent"] == f"Hookline/{version('hookline')}"
    assert [value for name, value in second.items() if name.lower() == "user-agent"] == ["Shop/2"]


async def test_an_internal_server_is_trusted_by_its_certificate_authority(
    authority: trustme.CA, tmp_path: Path
) -> None:
    async with answering(server_tls(authority)) as requests:
        url = f"https://localhost:{requests.port}/"
        assert await sent(url, ca_file=str(tmp_path / "ca.pem")) == [Sent(200)]
        (outcome,) = await sent(url)
    assert isinstance(outcome, Retry)
    assert outcome.error.startswith("certificate: ")
    assert len(requests.heads) == 1


@pytest.mark.parametrize("files", ["one", "two"])
async def test_a_server_may_ask_for_a_client_certificate(
    authority: trustme.CA, tmp_path: Path, files: str
) -> None:
    tls = server_tls(authority)
    authority.configure_trust(tls)
    tls.verify_mode = ssl.CERT_REQUIRED
    mine = authority.issue_cert("hookline.test")
    mine.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    mine.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    mine.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "both.pem"))
    shown = {"cert_file": "both.pem"} if files == "one" else {"cert_file": "cert.pem", "key_file": "key.pem"}
    settings = {name: str(tmp_path / file) for name, file in {"ca_file": "ca.pem", **shown}.items()}
    async with answering(tls) as requests:
        url = f"https://localhost:{requests.port}/"
        assert await sent(url, **settings) == [Sent(200)]
        (outcome,) = await sent(url, ca_file=settings["ca_file"])
    assert isinstance(outcome, Retry)
    assert len(requests.heads) == 1


@pytest.mark.usefixtures("authority")
async def test_files_without_certificates_are_reported_when_the_channel_is_opened(tmp_path: Path) -> None:
    ca_file = str(tmp_path / "ca.pem")
    for wrong, setting in (
        ({"ca_file": "/nowhere.pem"}, "ca_file"),
        ({"cert_file": "/nowhere.pem"}, "cert_file"),
        ({"cert_file": ca_file}, "cert_file"),
        ({"key_file": ca_file}, "key_file"),
    ):
        with pytest.raises(ChannelError) as caught:
            HttpChannel(HttpSettings(url="https://host/", **wrong))
        assert caught.value.setting == setting


async def test_requests_use_the_proxy_of_the_environment_unless_no_proxy_names_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with answering() as proxy, answering() as direct:
        monkeypatch.setenv("HTTP_PROXY", f"ada:s%40cret@127.0.0.1:{proxy.port}")
        url = f"http://crm.invalid:{direct.port}/a%2Fb"
        assert await sent(url, allow_private=False) == [Sent(200)]
        assert await sent(f"http://127.0.0.1:{direct.port}/") == [Sent(200)]
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert await sent(f"http://127.0.0.1:{direct.port}/") == [Sent(200)]
    assert proxy.lines == [f"POST {url} HTTP/1.1", f"POST http://127.0.0.1:{direct.port}/ HTTP/1.1"]
    login = base64.b64encode(b"ada:s@cret").decode()
    assert f"Proxy-Authorization: Basic {login}\r\n" in proxy.heads[0]
    assert direct.lines == ["POST / HTTP/1.1"]
    assert "Proxy-Authorization" not in direct.heads[0]


async def test_tls_goes_through_the_proxy(
    monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, tmp_path: Path
) -> None:
    async with answering() as proxy, answering(server_tls(authority)) as behind:
        monkeypatch.setenv("HTTPS_PROXY", f"http://eve:pass@127.0.0.1:{proxy.port}")
        url, key = f"https://ada:s3cret@localhost:{behind.port}/", {"X-Key": "s3cret"}
        outcomes = await sent(url, MESSAGE, MESSAGE, ca_file=str(tmp_path / "ca.pem"), headers=key)
        assert outcomes == [Sent(200), Sent(200)]
    assert proxy.lines == [f"CONNECT localhost:{behind.port} HTTP/1.1"]
    assert f"Proxy-Authorization: Basic {base64.b64encode(b'eve:pass').decode()}\r\n" in proxy.heads[0]
    assert behind.lines == ["POST / HTTP/1.1"] * 2
    # The proxy only connects: what is for the server goes through its connection.
    login = base64.b64encode(b"ada:s3cret").decode()
    for header in ("X-Key: s3cret\r\n", f"Authorization: Basic {login}\r\n"):
        assert header in behind.heads[0]
        assert header not in proxy.heads[0].replace("Proxy-", "")


async def test_a_proxy_that_refuses_is_named_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server() as proxy:  # that of aiohttp does not support CONNECT
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        (outcome,) = await sent("https://crm.invalid/")
    assert isinstance(outcome, Retry)
    assert outcome.error == "the proxy answered 404"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "app.localhost", "10.0.0.1"])
async def test_no_proxy_is_used_for_a_private_address(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    with pytest.raises(ChannelError) as caught:
        await sent(f"http://{host}/", allow_private=False)
    assert "allow_private" in str(caught.value)


@pytest.mark.parametrize("proxy", ["socks5://s3cret@proxy:1080", "http://", "http://[s3cret"])
async def test_a_proxy_that_cannot_be_used_is_reported_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with pytest.raises(ChannelError) as caught:
        await sent("http://crm.invalid/")
    assert "proxy" in str(caught.value)
    assert "s3cret" not in str(caught.value)
