from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from broker.redis.error_reasons import CLUSTER
from tests.launcher.running import environment, hookline
from tests.ports import free_port
from tests.redis_server import RedisServer
from tests.redis_users import refuse_writes, user_url


@pytest.fixture
def risky_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(
        tmp_path_factory.mktemp("r"), appendonly="no", maxmemory="50mb", maxmemory_policy="allkeys-lru"
    )
    server.start()
    yield server
    server.kill()


def checked(cwd: Path, **variables: str) -> tuple[int, dict[str, Any]]:
    ran = hookline("check", "--json", cwd=cwd, env=environment(**variables))
    return ran.returncode, msgspec.json.decode(ran.stdout)


def test_check_finds_no_problem_on_a_good_redis(tmp_path: Path, redis_server: RedisServer) -> None:
    code, report = checked(tmp_path, REDIS_URL=redis_server.url)

    assert (code, report["faults"], report["problems"]) == (0, [], [])
    assert report["redis"]["aof"] is True
    assert report["sources"] == [{"name": "voucherify", "kind": "voucherify", "secrets": 0, "addresses": 0}]
    assert [rule["channels"] for rule in report["rules"]] == [["console"]]
    assert report["channels"] == {"console": "console"}


def test_config_faults_exit_with_2_and_show_their_places(tmp_path: Path) -> None:
    code, report = checked(tmp_path, HOOKLINE_RECEIVER_PORT="x")

    assert code == 2
    assert report["faults"] == [{"path": "HOOKLINE_RECEIVER_PORT", "reason": "expected `int`"}]


def test_every_risk_of_losing_webhooks_is_reported(tmp_path: Path, risky_redis: RedisServer) -> None:
    code, report = checked(tmp_path, REDIS_URL=risky_redis.url, HOOKLINE_RECEIVER_DURABILITY="fsync")

    assert code == 1
    problems = " | ".join(report["problems"])
    for word in ("maxmemory-policy noeviction", "appendonly yes", 'durability "fsync"'):
        assert word in problems


def test_a_redis_that_does_not_answer_exits_with_1(tmp_path: Path) -> None:
    code, report = checked(tmp_path, REDIS_URL="redis://:hidden-password@127.0.0.1:1")

    assert code == 1
    assert "not reachable" in report["problems"][0]
    assert "hidden-password" not in str(report)


def test_without_a_redis_it_names_the_one_that_up_would_start(tmp_path: Path) -> None:
    code, report = checked(tmp_path)

    assert (code, report["redis"]["url"]) == (0, "")
    assert "`hookline up` starts Valkey 9.1 (" in report["notes"][0]


def test_data_that_no_server_here_can_read_is_a_problem(tmp_path: Path) -> None:
    log = tmp_path / ".hookline" / "appendonlydir"
    log.mkdir(parents=True)
    (log / "appendonly.aof.manifest").write_text("file appendonly.aof.1.base.rdb seq 1 type b\n")
    (log / "appendonly.aof.1.base.rdb").write_bytes(b"REDIS0099\xfa\x09redis-ver\x0610.1.0")

    code, report = checked(tmp_path, PATH=str(tmp_path))

    assert code == 1
    assert "cannot read the data in" in report["problems"][0]
    assert "which Redis 10.1.0 wrote" in report["problems"][0]


def test_the_text_output_can_be_read(tmp_path: Path, redis_server: RedisServer) -> None:
    ran = hookline("check", cwd=tmp_path, env=environment(REDIS_URL=redis_server.url))

    assert "logs to disk" in ran.stdout
    assert ran.stdout.endswith("OK: no problems found\n")


def test_an_unusable_spill_directory_is_reported_and_prevents_the_start(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    (tmp_path / "file").touch()
    variables = {"REDIS_URL": redis_server.url, "HOOKLINE_RECEIVER_SPILL_DIR": "file/spill"}

    code, report = checked(tmp_path, **variables)
    secret = "0123456789abcdef"
    env = environment(**variables, HOOKLINE_RECEIVER_PORT="0", HOOKLINE_SOURCES_VOUCHERIFY_SECRETS=secret)
    started = hookline("receiver", cwd=tmp_path, env=env)

    assert (code, report["problems"]) == (
        1,
        [f"receiver.spill_dir file/spill cannot be used: {tmp_path}/file is not a directory"],
    )
    assert (started.returncode, started.stdout) == (2, "")
    assert started.stderr.count("\n") == 1
    assert "receiver.spill_dir file/spill cannot be used: not a directory: set it to a directory" in started.stderr


def test_it_notes_who_can_reach_the_receiver_and_the_inspector(tmp_path: Path, redis_server: RedisServer) -> None:
    proxied = {
        "HOOKLINE_RECEIVER_HOST": "::",
        "HOOKLINE_WORKER_HOST": "0.0.0.0",
        "HOOKLINE_WORKER_PORT": "0",
        "HOOKLINE_INSPECTOR_METRICS_HOST": "0.0.0.0",
        "HOOKLINE_INSPECTOR_METRICS_PORT": "0",
        "HOOKLINE_INSPECTOR_HOSTS": "hookline.example.com",
        "HOOKLINE_INSPECTOR_USERS_ANN_PASSWORD": "elevenchars",
    }

    code, report = checked(tmp_path, REDIS_URL=redis_server.url, **proxied)

    assert code == 0
    notes = " | ".join(report["notes"])
    for words in (
        "receiver.host ::",
        "worker.host 0.0.0.0",
        "inspector.metrics_host 0.0.0.0",
        "inspector.trusted_proxies is empty",
        "inspector.users.ann.password is shorter",
    ):
        assert words in notes
    assert "elevenchars" not in notes

    sound = {
        "HOOKLINE_RECEIVER_HOST": "127.0.0.1",
        "HOOKLINE_WORKER_HOST": "127.0.0.1",
        "HOOKLINE_INSPECTOR_METRICS_PORT": "",
        "HOOKLINE_INSPECTOR_TRUSTED_PROXIES": "10.0.0.5",
        "HOOKLINE_INSPECTOR_USERS_ANN_PASSWORD": "twelve chars",
    }
    notes = str(checked(tmp_path, REDIS_URL=redis_server.url, **proxied | sound)[1]["notes"])
    assert "inspector" not in notes and "receiver.host" not in notes and "worker.host" not in notes

    local = {
        "HOOKLINE_INSPECTOR_TRUSTED_PROXIES": "127.0.0.1",
        "HOOKLINE_INSPECTOR_PROXY_LOGIN_USER_HEADER": "X-Forwarded-User",
        "HOOKLINE_INSPECTOR_PROXY_LOGIN_READ_GROUPS": "*",
    }
    notes = str(checked(tmp_path, REDIS_URL=redis_server.url, **proxied | sound | local)[1]["notes"])
    assert "can claim to be any user" in notes

    oidc = {"ISSUER": "https://login.example.com", "CLIENT_ID": "hookline", "OPERATE_GROUPS": "*"}
    oidc["PUBLIC_URL"] = "https://hookline.example.com"
    variables = {f"HOOKLINE_INSPECTOR_OIDC_{name}": value for name, value in oidc.items()}
    notes = str(checked(tmp_path, REDIS_URL=redis_server.url, **proxied | sound | variables)[1]["notes"])
    assert "lets everyone in who has an account at https://login.example.com" in notes


MAIL = """
[channels.mail]
kind = "email"
host = "127.0.0.1"
security = "none"
sender = "Club <club@example.com>"
[channels.desk]
kind = "email"
host = "127.0.0.1"
security = "none"
sender = "Club <club@example.com>"
to = "desk@example.com"
[alerts]
channel = "mail"
[[rules]]
name = "missing"
events = ["customer.*.points_added"]
channel = "mail"
text = "{{ customer.name }}"
[[rules]]
name = "present"
events = ["customer.created"]
channel = "mail"
to = "{{ customer.email }}"
text = "Welcome"
[[rules]]
name = "desk"
events = ["customer.created"]
channel = ["desk", "console"]
text = "Welcome"
[[rules]]
name = "off"
events = ["customer.created"]
channel = "mail"
enabled = false
"""


def with_config(tmp_path: Path, text: str, server: RedisServer, **variables: str) -> tuple[int, dict[str, Any]]:
    (tmp_path / "hookline.toml").write_text(text)
    (tmp_path / "hookline.toml").chmod(0o644)
    secret = {"HOOKLINE_SOURCES_VOUCHERIFY_SECRETS": "0123456789abcdef"}
    return checked(tmp_path, REDIS_URL=server.url, **secret, **variables)


def test_a_rule_and_alerts_by_email_without_a_recipient_are_problems(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    code, report = with_config(tmp_path, MAIL, redis_server)

    assert code == 1
    rule, alerts = report["problems"]
    assert rule.startswith("rules[0].to (line 15): rule missing names no recipient, and channel mail needs one")
    assert alerts.startswith("alerts.channel (line 14): alerts name no recipient")


@pytest.mark.parametrize(
    "host", ["10.0.0.5", "127.0.0.1:9000", "localhost", "[::1]", "169.254.169.254", "2130706433", "127.1"]
)
def test_a_private_address_that_will_be_refused_is_a_problem(
    tmp_path: Path, redis_server: RedisServer, host: str
) -> None:
    channel = f'[channels.crm]\nkind = "http"\nurl = "http://{host}/points"\n'
    code, report = with_config(tmp_path, channel, redis_server)

    assert code == 1
    assert "channels.crm.url (line 3): " in report["problems"][0]
    assert "set allow_private = true under [channels.crm]" in report["problems"][0]
    for allowed in (channel + "allow_private = true\n", channel.replace(host, "crm.example.com")):
        assert with_config(tmp_path, allowed, redis_server)[0] == 0


def test_events_that_no_source_has_are_noted_with_the_most_similar_name(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    events = ["customer.order.payed", "customer.*.point_added", "customer.order.paid", "*.points_added", "*"]
    rule = f'[[rules]]\nname = "a"\nchannel = "console"\nevents = {events}\n'
    code, report = with_config(tmp_path, rule.replace("'", '"'), redis_server)

    assert code == 0
    order, points = report["notes"]
    assert order.startswith('rules[0].events[0] (line 4): "customer.order.payed" is no known event')
    assert order.endswith("did you mean customer.order.paid?")
    assert '"customer.*.point_added" fits no known event' in points


def test_secrets_in_the_config_file_or_readable_by_others_are_noted_and_never_shown(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    (tmp_path / "signing").write_text("hidden-signing-secret")
    (tmp_path / "signing").chmod(0o644)
    (tmp_path / "guarded").write_text("hidden-api-token-of-the-shop")
    (tmp_path / "guarded").chmod(0o600)
    text = """
[redis]
url = "redis://:hidden-password@redis.example.com"
[sources.voucherify]
secrets = ["file:signing"]
[inspector.users.ann]
password = "file:guarded"
[channels.crm]
kind = "http"
url = "https://crm.example.com/points?token=hidden-token"
headers = { Authorization = "Bearer hidden-bearer", Accept = "*/*" }
"""
    (tmp_path / "hookline.toml").write_text(text)
    (tmp_path / "hookline.toml").chmod(0o644)
    code, report = checked(tmp_path, REDIS_URL=redis_server.url)

    assert (code, report["problems"]) == (0, [])
    notes = " | ".join(report["notes"])
    for place in ("redis.url (line 3): ", "channels.crm.url (line 10): ", "channels.crm.headers.Authorization"):
        assert place in notes
    assert "signing holds a secret and every user" in notes
    assert "hookline.toml holds a secret and every user" in notes
    assert "guarded" not in notes
    assert "hidden" not in str(report)


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        (
            ("~*", "-@scripting"),
            "may not run EVALSHA, EVAL, which the receiver needs: ACL SETUSER limited",
        ),
        (("~*", "-evalsha"), "+evalsha"),
        (("~*", "-xreadgroup", "-xclaim"), "may not run XREADGROUP, XCLAIM"),
        (("~*", "-info"), "may not run INFO"),
        (("~jobs:*",), "may not read and write all keys of this namespace"),
    ],
    ids=str,
)
def test_missing_permissions_of_the_redis_user_are_a_problem(
    tmp_path: Path, redis_server: RedisServer, rules: tuple[str, ...], problem: str
) -> None:
    code, report = checked(tmp_path, REDIS_URL=user_url(redis_server, "+@all", *rules))

    assert code == 1
    assert problem in " | ".join(report["problems"])
    assert "login" not in str(report["problems"])


def test_a_value_that_redis_does_not_show_is_unknown(tmp_path: Path, redis_server: RedisServer) -> None:
    code, report = checked(tmp_path, REDIS_URL=user_url(redis_server, "~*", "+@all", "-config"))

    assert (code, report["redis"]["fsync"]) == (0, "unknown")
    assert "appendfsync is unknown: allow it (+config|get)" in report["notes"][0]


async def test_a_redis_that_refuses_writes_is_a_problem_of_check_and_status(tmp_path: Path) -> None:
    directory = tmp_path / "redis"
    directory.mkdir()
    server = RedisServer(directory, enable_protected_configs="yes").start()
    try:
        await refuse_writes(server, directory)
        code, report = checked(tmp_path, REDIS_URL=server.url)
        status = hookline("status", cwd=tmp_path, env=environment(REDIS_URL=server.url))
    finally:
        server.kill()

    assert code == 1
    assert "cannot save to its disk (MISCONF)" in report["problems"][0]
    assert "cannot save to its disk" in " ".join(status.stdout.split())


def test_a_cluster_node_is_a_problem(tmp_path: Path) -> None:
    server = RedisServer(
        tmp_path, cluster_enabled="yes", port=str(free_port()), cluster_port=str(free_port())
    ).start()
    try:
        code, report = checked(tmp_path, REDIS_URL=server.url)
    finally:
        server.kill()

    assert code == 1
    assert report["problems"] == [CLUSTER]


def test_a_redis_with_snapshots_only_is_reported_as_such(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, appendonly="no", save="3600 1").start()
    try:
        ran = hookline("check", cwd=tmp_path, env=environment(REDIS_URL=server.url))
    finally:
        server.kill()

    assert ran.returncode == 1
    assert "keeps snapshots only (RDB)" in ran.stdout
    assert "set appendonly yes" in ran.stdout
    assert "keeps nothing on disk" not in ran.stdout
