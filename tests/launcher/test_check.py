from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.launcher.running import environment, hookline
from tests.redis_server import RedisServer


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


def test_all_is_well_on_a_good_redis(tmp_path: Path, redis_server: RedisServer) -> None:
    code, report = checked(tmp_path, REDIS_URL=redis_server.url)

    assert (code, report["faults"], report["problems"]) == (0, [], [])
    assert report["redis"]["aof"] is True
    assert report["sources"] == [{"name": "voucherify", "kind": "voucherify", "secrets": 0, "addresses": 0}]
    assert [rule["channels"] for rule in report["rules"]] == [["console"]]
    assert report["channels"] == {"console": "console"}


def test_config_faults_are_2_with_their_places(tmp_path: Path) -> None:
    code, report = checked(tmp_path, HOOKLINE_RECEIVER_PORT="x")

    assert code == 2
    assert report["faults"] == [{"path": "HOOKLINE_RECEIVER_PORT", "reason": "expected `int`"}]


def test_every_risk_of_losing_webhooks_is_told_at_once(tmp_path: Path, risky_redis: RedisServer) -> None:
    code, report = checked(tmp_path, REDIS_URL=risky_redis.url, HOOKLINE_RECEIVER_DURABILITY="fsync")

    assert code == 1
    told = " | ".join(report["problems"])
    for word in ("maxmemory-policy noeviction", "appendonly yes", 'durability "fsync"'):
        assert word in told


def test_a_redis_that_does_not_answer_is_1(tmp_path: Path) -> None:
    code, report = checked(tmp_path, REDIS_URL="redis://:hidden-password@127.0.0.1:1")

    assert code == 1
    assert "not reachable" in report["problems"][0]
    assert "hidden-password" not in str(report)


def test_without_a_redis_it_names_the_one_that_up_would_start(tmp_path: Path) -> None:
    code, report = checked(tmp_path)

    assert (code, report["redis"]["url"]) == (0, "")
    assert "`hookline up` starts" in report["notes"][0]


def test_it_reads_as_text(tmp_path: Path, redis_server: RedisServer) -> None:
    ran = hookline("check", cwd=tmp_path, env=environment(REDIS_URL=redis_server.url))

    assert "logs to disk" in ran.stdout
    assert ran.stdout.endswith("all is well\n")


def test_a_directory_for_spilled_webhooks_that_cannot_be_used_is_told_and_is_no_start(
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
    assert "receiver.spill_dir file/spill cannot be used: not a directory: name a directory" in started.stderr


def test_it_notes_who_reaches_the_receiver_and_the_inspector(tmp_path: Path, redis_server: RedisServer) -> None:
    proxied = {
        "HOOKLINE_RECEIVER_HOST": "::",
        "HOOKLINE_INSPECTOR_HOSTS": "hookline.example.com",
        "HOOKLINE_INSPECTOR_USERS_ANN_PASSWORD": "elevenchars",
    }

    code, report = checked(tmp_path, REDIS_URL=redis_server.url, **proxied)

    assert code == 0
    notes = " | ".join(report["notes"])
    for words in (
        "receiver.host ::",
        "inspector.trusted_proxies is empty",
        "inspector.users.ann.password is shorter",
    ):
        assert words in notes
    assert "elevenchars" not in notes

    sound = {
        "HOOKLINE_RECEIVER_HOST": "127.0.0.1",
        "HOOKLINE_INSPECTOR_TRUSTED_PROXIES": "10.0.0.5",
        "HOOKLINE_INSPECTOR_USERS_ANN_PASSWORD": "twelve chars",
    }
    notes = str(checked(tmp_path, REDIS_URL=redis_server.url, **proxied | sound)[1]["notes"])
    assert "inspector" not in notes and "receiver.host" not in notes
