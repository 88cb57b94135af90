"""Tests of a client on a server or a socket, with TLS and without."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Connection

from broker.redis.connection import Settings, connect
from broker.redis.connection_pool import HostConnection
from broker.redis.errors import BrokerError, Misconfigured, Unavailable, translated
from tests.ports import free_port
from tests.redis_server import RedisServer
from tests.tls import Certificates, tls_before

USER, PASSWORD = "hookline", "pass/word?#@%:1"
QUOTED = "pass%2Fword%3F%23%40%25%3A1"


@pytest.fixture
def guarded(own_redis: RedisServer) -> RedisServer:
    """Return a server that has a user with a password."""
    with own_redis.client() as admin:
        admin.acl_setuser(USER, enabled=True, passwords=[f"+{PASSWORD}"], keys=["*"], categories=["+@all"])
    return own_redis


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


async def answer(settings: Settings) -> object:
    """Return the response to a PING, or the error."""
    client = connect(settings, retries=0)
    try:
        with translated():
            return await client.ping()
    except BrokerError as error:
        return str(error)
    finally:
        await client.aclose()


async def test_a_login_works_with_any_password_and_shows_none(guarded: RedisServer) -> None:
    good = Settings(url=f"unix://{USER}:{QUOTED}@{guarded.socket}")
    assert await answer(good) is True

    wrong = Settings(url=good.url.replace("1@", "2@"))
    message = str(await answer(wrong))
    assert "refuses the login" in message
    assert "pass/" not in message
    assert "pass%" not in message


async def test_the_error_of_a_server_that_does_not_know_auth_shows_no_password() -> None:
    with tempfile.TemporaryDirectory(prefix="hookline-") as directory:
        config = Path(directory) / "redis.conf"
        config.write_text("rename-command AUTH NOTAUTH\n")
        server = RedisServer(Path(directory), include=str(config)).start()
        message = str(await answer(Settings(url=f"unix://{USER}:{QUOTED}@{server.socket}")))
        server.kill()

    assert "does not know the command AUTH" in message
    assert "pass/" not in message
    assert "pass%" not in message


async def test_the_database_of_the_url_is_used(redis_server: RedisServer) -> None:
    client = connect(Settings(url=f"{redis_server.url}?db=3"))
    await client.set("here", "1")
    with redis_server.client() as first:
        assert first.keys() == []
    await client.aclose()


async def test_a_client_disconnects_from_a_server_that_became_a_replica(own_redis: RedisServer) -> None:
    client = connect(Settings(url=own_redis.url), retries=0)
    before = await client.client_id()
    assert await client.client_id() == before
    with own_redis.client() as admin:
        admin.replicaof("127.0.0.1", "1")
        for write in (lambda: client.set("a", "b"), lambda: client.eval("redis.call('SET', 'a', 'b')", 0)):
            before = await client.client_id()
            with pytest.raises(Unavailable, match="replica"), translated():
                await write()
            assert await client.client_id() != before
        admin.replicaof("NO", "ONE")
    assert await client.set("a", "b")
    await client.aclose()


async def test_tls_works_with_a_server_whose_authority_is_configured(
    redis_server: RedisServer, certificates: Certificates
) -> None:
    async with tls_before(redis_server, certificates.server) as port:
        url = f"rediss://127.0.0.1:{port}"
        assert await answer(Settings(url=url, tls_ca_file=certificates.ca_file)) is True
        assert "certificate verify failed" in str(await answer(Settings(url=url)))
        assert await answer(Settings(url=url, tls_verify="none")) is True
        plain = await answer(Settings(url=url.replace("rediss", "redis"), socket_timeout_s=1.0))
        assert "not reachable" in str(plain)
        assert "write rediss:// in redis.url" in str(plain)


async def test_a_certificate_that_is_not_trusted_is_reported_with_the_setting(
    redis_server: RedisServer, certificates: Certificates
) -> None:
    async with tls_before(redis_server, certificates.server) as port:
        assert "redis.tls_ca_file" in str(await answer(Settings(url=f"rediss://127.0.0.1:{port}")))


async def test_a_server_without_tls_is_reported_with_the_scheme(tmp_path: Path) -> None:
    port = free_port()
    server = RedisServer(tmp_path, port=str(port)).start()
    try:
        settings = Settings(url=f"rediss://127.0.0.1:{port}", connect_timeout_s=0.5)
        assert "write redis:// instead of rediss://" in str(await answer(settings))
    finally:
        server.kill()


async def test_a_certificate_for_another_host_is_refused_unless_that_is_allowed(
    redis_server: RedisServer, certificates: Certificates
) -> None:
    async with tls_before(redis_server, certificates.other_host) as port:
        settings = Settings(url=f"rediss://127.0.0.1:{port}", tls_ca_file=certificates.ca_file)
        assert "127.0.0.1" in str(await answer(settings))
        assert "certificate verify failed" in str(await answer(settings))
        assert await answer(Settings(url=settings.url, tls_ca_file=settings.tls_ca_file, tls_verify="ca")) is True
        assert "certificate verify failed" in str(await answer(Settings(url=settings.url, tls_verify="ca")))


async def test_a_server_that_demands_a_client_certificate_gets_ours(
    redis_server: RedisServer, certificates: Certificates
) -> None:
    async with tls_before(redis_server, certificates.asking) as port:
        settings = Settings(
            url=f"rediss://127.0.0.1:{port}",
            tls_ca_file=certificates.ca_file,
            tls_cert_file=certificates.client_file,
        )
        assert await answer(settings) is True
        assert "redis.tls_cert_file" in str(
            await answer(Settings(url=settings.url, tls_ca_file=settings.tls_ca_file))
        )


def test_an_unusable_setting_is_reported_with_its_name(certificates: Certificates, tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("no certificate")
    for settings, message in (
        (Settings(url="redis://:pa/ss@host"), "redis.url: "),
        (Settings(url="rediss://host", tls_ca_file="/no/such"), "redis.tls_ca_file: .*No such file"),
        (Settings(url="rediss://host", tls_ca_file=str(nonsense)), "redis.tls_ca_file: "),
        (Settings(url="rediss://host", tls_cert_file=certificates.ca_file), "redis.tls_cert_file"),
    ):
        with pytest.raises(Misconfigured, match=message) as caught:
            connect(settings)
        assert "pa/ss" not in str(caught.value)


_WORDS = st.one_of(
    st.text(st.characters()), st.binary(), st.integers(), st.floats(), st.binary().map(memoryview)
)  # `characters` has surrogates too: a name that is not UTF-8 is read with them


@given(st.sampled_from(["SET", "EVALSHA", "CONFIG GET", "SCRIPT LOAD"]), st.lists(_WORDS))
def test_a_command_is_encoded_as_redis_py_does(command: str, words: list[Any]) -> None:
    options = {"encoding_errors": "surrogateescape"}
    try:
        expected = b"".join(Connection(**options).pack_command(command, *words))
    except UnicodeEncodeError:
        with pytest.raises(UnicodeEncodeError):
            HostConnection(**options).pack_command(command, *words)
    else:
        assert b"".join(HostConnection(**options).pack_command(command, *words)) == expected


async def test_commands_wait_for_one_of_the_connections(own_redis: RedisServer) -> None:
    client = connect(Settings(url=own_redis.url, max_connections=4))
    await asyncio.gather(*(client.blpop("no-list", timeout=0.05) for _ in range(20)))
    assert (await client.info("clients"))["connected_clients"] == 4
    await client.aclose()
