"""Tests of `hookline inspector` as a process of its own."""

from __future__ import annotations

import re
import signal
import socket
import time
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode

import pytest
from aiohttp import ClientSession

from broker.dead_letters import stored_actions
from broker.dead_letters.action import Action
from broker.monitoring import audit
from broker.redis.client import Client
from broker.redis.partitions import Partitions
from inspector.operations.status import read_status
from launcher.composition.components import _client_address
from launcher.config import sign_in_checks
from launcher.config.config import read
from launcher.errors import ConfigError
from tests.inspector.stack import make_dead_letters, sample
from tests.launcher.running import Running, environment, hookline
from tests.ports import free_port
from tests.redis_server import RedisServer
from tests.until import until

PASSWORD = "the password of ann"
USERS = """
[inspector.users.ann]
password = "file:ann.password"
role = "operate"
"""


@pytest.fixture
def port() -> int:
    return free_port()


async def test_it_serves_pages_follows_the_config_and_stops(
    redis_server: RedisServer, tmp_path: Path, port: int
) -> None:
    (tmp_path / "ann.password").write_text(PASSWORD)
    (tmp_path / "hookline.toml").write_text(USERS)
    env = environment(REDIS_URL=redis_server.url, HOOKLINE_INSPECTOR_PORT=str(port))
    running = Running("-m", "launcher", "inspector", cwd=tmp_path, env=env)
    try:
        await running.says("inspector_started")
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        base = f"http://127.0.0.1:{port}"
        form = browser.open(f"{base}/", timeout=60).read().decode()
        token = re.search(r'name="csrf" value="(\w+)"', form)
        assert token
        fields = urlencode({"csrf": token[1], "name": "ann", "password": PASSWORD, "next": "/"})
        sent = urllib.request.Request(f"{base}/login", data=fields.encode(), headers={"Origin": base})
        assert "Overview" in browser.open(sent, timeout=60).read().decode()

        channel = '[channels.crm]\nkind = "http"\nurl = "https://crm.example/hook"\n'
        (tmp_path / "hookline.toml").write_text(f"{USERS}{channel}[inspector]\nsession_max_s = 60.0\n")
        running.signal(signal.SIGHUP)
        await running.says("config_reloaded")
        assert "these settings change only with a restart: inspector.session_max_s" in running.output
        page = browser.open(f"{base}/", timeout=60).read().decode()
        assert '<span class="line-name">crm</span>' in page
        running.signal(signal.SIGTERM)
        assert await running.ends() == 0
        assert running.output.index("inspector_login") < running.output.index("inspector_stopped")
        assert PASSWORD not in running.output
    finally:
        running.kill()


async def test_an_action_interrupted_by_sigterm_is_continued_by_the_next_inspector_immediately(
    redis_server: RedisServer, redis: Client, tmp_path: Path, port: int
) -> None:
    await make_dead_letters(redis_server, redis, *(sample(number) for number in range(60)))
    env = environment(REDIS_URL=redis_server.url)
    first = Running("-m", "launcher", "inspector", cwd=tmp_path, env=env | {"HOOKLINE_INSPECTOR_PORT": str(port)})
    second = Running("-m", "launcher", "inspector", cwd=tmp_path, env=env)
    try:
        for process in (first, second):
            await process.says("inspector_started")
        order = {"verb": "replay", "filter": {}, "rate_per_s": 24}
        async with (
            ClientSession() as session,
            session.post(f"http://127.0.0.1:{port}/api/v1/actions", json=order) as answer,
        ):
            name = (await answer.json())["id"]

        async def done() -> Action | None:
            action = await stored_actions.read(redis, name)
            return action if action and action.done else None

        await until(done)
        with socket.create_connection(("127.0.0.1", port)):  # a browser that keeps its connection open
            began = time.monotonic()
            first.signal(signal.SIGTERM)
            assert await first.ends() == 0
        assert time.monotonic() - began < 15
        halfway = await stored_actions.read(redis, name)
        assert halfway and halfway.state == "running" and halfway.done < 60

        async def ended() -> Action | None:
            action = await stored_actions.read(redis, name)
            return action if action and action.state == "done" else None

        end = await until(ended, seconds=8)  # it would take longer if the lease had to expire
        totals = (await read_status(Partitions([redis]))).totals
        assert (end.done, end.missing, totals.replayed, totals.queued) == (60, 0, 60, 60)
        assert totals.bodies_add_up()
        assert [one.audit_entry.what for one in await audit.read(redis)] == ["replay"]
        second.signal(signal.SIGTERM)
        assert await second.ends() == 0
    finally:
        first.kill()
        second.kill()


def test_a_used_port_is_reported_in_one_line(redis_server: RedisServer, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        env = environment(REDIS_URL=redis_server.url, HOOKLINE_INSPECTOR_PORT=str(taken.getsockname()[1]))
        ran = hookline("inspector", cwd=tmp_path, env=env)

    assert ran.returncode == 1
    assert "set HOOKLINE_INSPECTOR_PORT or HOOKLINE_INSPECTOR_HOST" in ran.stderr
    assert ran.stderr.count("\n") == 1


def faults(tables: dict[str, object], **environ: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        read({"inspector": tables}, environ)
    return {fault.path: fault.reason for fault in caught.value.faults}


def test_users_are_read_from_the_file_and_from_the_environment() -> None:
    table = {"users": {"Ann-B": {"role": "operate"}}}
    environ = {
        "HOOKLINE_INSPECTOR_USERS_ANN_B_PASSWORD": "a long password",
        "HOOKLINE_INSPECTOR_USERS_BOB_PASSWORD": "another password",
        "HOOKLINE_INSPECTOR_USERS_BOB_TOKEN": "a token that is long enough",
        "HOOKLINE_INSPECTOR_HOST": "0.0.0.0",
    }

    settings = read({"inspector": table}, environ).inspector

    assert {name: (user.role, user.reveal) for name, user in settings.users.items()} == {
        "Ann-B": ("operate", False),
        "bob": ("read", False),
    }
    assert settings.host == "0.0.0.0"
    assert "password" not in repr(settings).replace("password=Secret(***)", "")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "hookline.example.com"])
def test_an_address_that_others_can_reach_needs_a_user(host: str) -> None:
    assert "HOOKLINE_INSPECTOR_USERS_NAME_PASSWORD" in faults({"host": host})["inspector.host"]
    read({"inspector": {"host": host}}, {"HOOKLINE_INSPECTOR_USERS_ANN_PASSWORD": "a long password"})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_a_loopback_address_needs_no_user(host: str) -> None:
    assert read({"inspector": {"host": host}}, {}).inspector.host == host


def test_every_fault_of_the_inspector_is_reported() -> None:
    reasons = faults(
        {
            "host": "0.0.0.0",
            "port": 70_000,
            "hosts": ["https://hookline.example.com", "ok.example"],
            "trusted_proxies": ["everybody", "0.0.0.0/0"],
            "users": {
                "ann": {"password": "in the file", "role": "admin"},
                "b b": {"passwort": "x"},
                "carl": {},
            },
        },
        HOOKLINE_INSPECTOR_USERS_CARL_TOKEN="too-short",
    )

    assert reasons["inspector.port"] == "expected `int` <= 65535"
    assert reasons["inspector.hosts[0]"].startswith("not a host name")
    assert reasons["inspector.trusted_proxies[0]"].startswith("not an address")
    assert "trusts every address" in reasons["inspector.trusted_proxies[1]"]
    assert "does not belong in this file" in reasons["inspector.users.ann.password"]
    assert reasons["inspector.users.ann.role"] == "expected read or operate"
    assert "did you mean password" in reasons['inspector.users."b b".passwort']
    assert "a name is" in reasons['inspector.users."b b"']
    assert reasons["inspector.users.carl.password"] == "missing"
    assert "20 characters" in reasons["HOOKLINE_INSPECTOR_USERS_CARL_TOKEN"]


def test_a_proxy_in_front_of_it_without_users_is_a_fault() -> None:
    assert "do everything" in faults({"hosts": ["hookline.example.com"]})["inspector.hosts"]


def test_faults_of_a_proxy_that_signs_in_are_reported() -> None:
    alone = faults({"hosts": ["hookline.example.com"], "proxy_login": {"user_header": "X-User"}})
    assert "set inspector.trusted_proxies" in alone["inspector.proxy_login"]
    assert "inspector.hosts" not in alone  # nothing is open to everyone

    proxies = {"trusted_proxies": ["10.0.0.5"]}
    no_rights = faults({**proxies, "proxy_login": {"user_header": "X-User", "reveal_groups": ["*"]}})
    assert "lets no user in" in no_rights["inspector.proxy_login"]
    by_group = {"user_header": "X User:", "read_groups": ["staff"]}
    assert "inspector.proxy_login.user_header" in faults({**proxies, "proxy_login": by_group})
    assert "groups" in faults({**proxies, "proxy_login": by_group | {"user_header": "X-User"}}).popitem()[1]
    same = {"user_header": "X-User", "groups_header": "x-user", "read_groups": ["*"]}
    assert "header of the name" in faults({**proxies, "proxy_login": same})["inspector.proxy_login.groups_header"]


def test_faults_of_a_login_by_openid_connect_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    assert faults({"oidc": {}}).keys() >= {
        f"inspector.oidc.{name}" for name in ("issuer", "client_id", "public_url")
    }
    good = {"issuer": "https://login.example.com", "client_id": "hookline", "public_url": "http://localhost:8081"}
    bad = {"issuer": "http://login.example.com", "public_url": "https://h.example.com/x", "scopes": ["email"]}

    reasons = faults({"oidc": good | bad | {"client_secret": "in the file", "client_id": " "}})

    assert "must be https" in reasons["inspector.oidc.issuer"]
    assert "without a path" in reasons["inspector.oidc.public_url"]
    assert "openid is missing" in reasons["inspector.oidc.scopes"]
    assert "does not belong in this file" in reasons["inspector.oidc.client_secret"]
    assert reasons["inspector.oidc.client_id"] == "it is empty"
    assert "lets no user in" in faults({"oidc": good})["inspector.oidc"]
    foreign = good | {"public_url": "https://h.example.com", "read_groups": ["*"]}
    assert "add it to inspector.hosts" in faults({"oidc": foreign})["inspector.oidc.public_url"]
    proxy = {"user_header": "X-User", "read_groups": ["*"]}
    both = {"trusted_proxies": ["10.0.0.5"], "proxy_login": proxy, "oidc": good | {"read_groups": ["*"]}}
    assert "use one of them" in faults(both)["inspector.oidc"]
    monkeypatch.setattr(sign_in_checks, "find_spec", lambda _: None)
    assert "pip install 'hookline[oidc]'" in faults({"oidc": good | {"read_groups": ["*"]}})["inspector.oidc"]


def test_only_trusted_proxies_name_the_client() -> None:
    settings = read({"inspector": {"trusted_proxies": ["10.0.0.0/8"]}}, {}).inspector
    of = _client_address(settings)

    assert of("10.0.0.1", ["203.0.113.7"], []) == "203.0.113.7"
    assert of("192.0.2.1", ["203.0.113.7"], []) == "192.0.2.1"
    assert of(None, [], []) == ""
