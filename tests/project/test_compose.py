"""Tests of docker-compose.yml: its command lines, run here as processes, form a working Hookline."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from broker.redis.connection import Settings, connect
from broker.redis.server.facts import read_facts
from inspector.site import STOP_S
from launcher.config.config import load
from receiver.settings import Settings as ReceiverSettings
from sources.secret import Secret
from tests.ports import free_port
from tests.servers import REDIS_8, server_path
from worker.settings import Settings as WorkerSettings

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
SECRET = "HOOKLINE_SOURCES_VOUCHERIFY_SECRETS"
PASSWORD = "REDIS_PASSWORD"
NEEDED = {SECRET: "a secret of the test", PASSWORD: "PasswordOfTheTest"}
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]


def filled_in(text: str, environ: dict[str, str]) -> str:
    """Replace ${NAME:-default}, ${NAME:?message} and ${NAME:+instead} as compose does."""

    def value(match: re.Match[str]) -> str:
        variable = environ.get(match[1], "")
        if match[2] == "+":
            return match[3] if variable else ""
        assert variable or match[2] == "-", f"{match[1]}: {match[3]}"
        return variable or match[3]

    return re.sub(r"\$\{(\w+):([-?+])([^}]*)\}", value, text)


def seconds(text: str) -> float:
    assert re.fullmatch(r"\d+s", text)
    return float(text[:-1])


@contextmanager
def running(command: list[str], log: Path, environ: dict[str, str], directory: Path) -> Iterator[None]:
    """Run a service, which must exit with 0 within its grace period when compose stops it."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environ, cwd=directory)
    try:
        yield
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """Start the Redis of the compose file, with another port and directory."""
    name, *options = [filled_in(word, NEEDED) for word in SERVICES["redis"]["command"]]
    assert name == "redis-server"
    port = free_port()
    here = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path)]
    with running([str(server_path(REDIS_8)), *options, *here], tmp_path / "redis.log", dict(os.environ), tmp_path):
        wait_for(lambda: b"NOAUTH" in ping(port))
        yield f"redis://:{NEEDED[PASSWORD]}@127.0.0.1:{port}"


def ping(port: int) -> bytes:
    """Return the answer of Redis to a client without a password, "" while it does not listen."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(1000)
    except ConnectionError:
        return b""


def wait_for(fact: Callable[[], bool], within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def environ_of(service: str, redis_url: str, port: int, **variables: str) -> dict[str, str]:
    configured = {
        name: filled_in(str(value), NEEDED | variables) for name, value in SERVICES[service]["environment"].items()
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HOOKLINE_", "REDIS_"))}
    here = {"REDIS_URL": redis_url, f"HOOKLINE_{service.upper()}_PORT": str(port), "PYTHONPATH": str(ROOT)}
    if service == "inspector":
        here["HOOKLINE_INSPECTOR_METRICS_PORT"] = str(free_port())
    return kept | configured | here


def hookline(words: list[str]) -> list[str]:
    return [sys.executable, "-m", "launcher", *words]


def test_the_file_is_valid_by_the_compose_specification() -> None:
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(checker, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_it_needs_two_secrets_and_contains_none() -> None:
    with pytest.raises(AssertionError, match="signing secret"):
        filled_in(SERVICES["receiver"]["environment"][SECRET], {})
    for service in ("receiver", "worker", "inspector"):
        with pytest.raises(AssertionError, match="openssl rand"):
            filled_in(SERVICES[service]["environment"]["REDIS_URL"], {})
    for value in (*SERVICES["redis"]["command"], *SERVICES["redis"]["environment"].values()):
        if PASSWORD in value:
            with pytest.raises(AssertionError, match="openssl rand"):
                filled_in(value, {})


def test_the_readme_starts_it_with_two_commands_that_set_both_secrets(tmp_path: Path) -> None:
    (block,) = re.findall(r"```sh\n([^`]*docker compose up[^`]*)```", (ROOT / "README.md").read_text())
    write, start = block.replace("\\\n", "").splitlines()
    assert start.startswith("docker compose up")
    subprocess.run(["/bin/sh", "-ec", write], cwd=tmp_path, check=True)
    written = dict(line.split("=", 1) for line in (tmp_path / ".env").read_text().splitlines())
    assert written.keys() == NEEDED.keys()
    assert re.fullmatch("[0-9a-f]{48}", written[PASSWORD].strip("'"))
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()


def test_only_the_receiver_has_the_signing_secret() -> None:
    assert [name for name in SERVICES if SECRET in str(SERVICES[name])] == ["receiver"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_has_no_more_rights_than_it_needs(service: str) -> None:
    settings = SERVICES[service]
    assert settings["read_only"] is True
    assert settings["tmpfs"] == ["/tmp"]
    assert settings["cap_drop"] == ["ALL"] and "cap_add" not in settings
    assert settings["security_opt"] == ["no-new-privileges:true"]
    assert settings["pids_limit"] > 0 and settings["mem_limit"]
    assert "privileged" not in settings
    assert settings.get("user") == (
        "redis" if service == "redis" else None
    )  # the image of the others says: hookline


def test_redis_has_one_minor_version_and_only_hookline_can_reach_it() -> None:
    assert re.fullmatch(r"redis:\d+\.\d+-alpine", SERVICES["redis"]["image"])
    assert SERVICES["redis"]["networks"] == ["redis"]
    assert COMPOSE["networks"]["redis"] == {"internal": True}
    assert "ports" not in SERVICES["redis"]


def test_every_port_is_open_to_this_machine_alone() -> None:
    ports = [filled_in(port, {}) for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports == ["127.0.0.1:8080:8080", "127.0.0.1:8081:8081"]


def test_workers_can_be_scaled() -> None:
    assert not {"container_name", "ports", "hostname"} & set(SERVICES["worker"])


def test_containers_get_longer_to_stop_than_the_parts_need() -> None:
    receiver, worker = ReceiverSettings(), WorkerSettings()
    assert (
        seconds(SERVICES["receiver"]["stop_grace_period"]) > receiver.shutdown_timeout_s + receiver.flush_timeout_s
    )
    assert seconds(SERVICES["worker"]["stop_grace_period"]) > 2 * worker.stop_grace_s
    assert seconds(SERVICES["inspector"]["stop_grace_period"]) > STOP_S


def test_the_mounted_config_is_valid() -> None:
    mount = SERVICES["receiver"]["volumes"][0].split(":")
    assert mount[1] == "/etc/hookline/hookline.toml"
    assert load(ROOT / mount[0], {}).rules[0].name == "points-added"
    assert "WORKDIR /etc/hookline\n" in (ROOT / "Dockerfile").read_text()


def test_the_image_contains_every_package_and_runs_as_an_unprivileged_user() -> None:
    dockerfile, ignored = (ROOT / "Dockerfile").read_text(), (ROOT / ".dockerignore").read_text().splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for package in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        assert f"COPY {package}/ {package}/\n" in dockerfile
        assert f"!{package}" in ignored
    assert "\nUSER hookline\n" in dockerfile
    assert 'ENTRYPOINT ["hookline"]' in dockerfile


async def test_its_redis_keeps_the_writes_that_it_confirms(redis_url: str) -> None:
    redis = connect(Settings(url=redis_url))
    facts = await read_facts(redis)
    intsets = await redis.config_get("set-max-intset-entries")
    await redis.aclose()
    assert facts.risks() == []
    assert facts.fsync == "always"
    assert facts.max_memory_bytes == 2**30
    assert [int(value) for value in intsets.values()] == [8192]


def test_the_services_together_turn_a_webhook_into_a_notification(
    redis_url: str, tmp_path: Path, unused_tcp_port: int
) -> None:
    logs = {name: tmp_path / f"{name}.log" for name in ("receiver", "worker", "worker-2")}
    ports = {"receiver": unused_tcp_port, "worker": free_port(), "worker-2": free_port()}
    environs = {name: environ_of(name.split("-")[0], redis_url, ports[name]) for name in logs}
    with ExitStack() as services:
        for name, log in logs.items():  # the worker twice: --scale worker=2
            service = name.split("-")[0]
            command = hookline(SERVICES[service]["command"])
            services.enter_context(running(command, log, environs[name], ROOT / "deploy"))

        wait_for(lambda: healthy("receiver", environs["receiver"], unused_tcp_port))
        for name in ("worker", "worker-2"):
            wait_for(lambda name=name: healthy("worker", environs[name], ports[name]))  # type: ignore[misc]
        output(["send", "--url", f"http://127.0.0.1:{unused_tcp_port}", "--count", "20"], environs["receiver"])
        wait_for(lambda: notified(logs) == 20)
        counted = json.loads(output(["status", "--json"], environs["worker"]))
        assert (counted["accepted"], counted["processed"], counted["workers"]) == (20, 20, 2)


def test_the_inspector_is_closed_without_a_password(redis_url: str, tmp_path: Path, unused_tcp_port: int) -> None:
    environ, log = environ_of("inspector", redis_url, unused_tcp_port), tmp_path / "inspector.log"
    with running(hookline(SERVICES["inspector"]["command"]), log, environ, ROOT / "deploy"):
        wait_for(lambda: healthy("inspector", environ, unused_tcp_port))
        assert listening_on(unused_tcp_port) == {"127.0.0.1"}  # inside; compose publishes the port


def test_one_variable_opens_the_inspector_to_users_with_the_password(
    redis_url: str, tmp_path: Path, unused_tcp_port: int
) -> None:
    password = {"HOOKLINE_INSPECTOR_USERS_ADMIN_PASSWORD": "the admins password"}
    environ, log = environ_of("inspector", redis_url, unused_tcp_port, **password), tmp_path / "inspector.log"
    with running(hookline(SERVICES["inspector"]["command"]), log, environ, ROOT / "deploy"):
        wait_for(lambda: healthy("inspector", environ, unused_tcp_port))
        assert listening_on(unused_tcp_port) == {"0.0.0.0"}
        with urllib.request.urlopen(f"http://127.0.0.1:{unused_tcp_port}/", timeout=5) as answer:
            assert answer.url.endswith("/login?next=%2F")
    user = load(ROOT / "deploy" / "hookline.toml", environ).inspector.users["admin"]
    assert (user.password, user.role, user.reveal) == (Secret("the admins password"), "operate", True)


def listening_on(port: int) -> set[str]:
    """Return the IPv4 addresses at which a process on this machine listens on the port."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    local = [row[1].split(":") for row in rows if row[3] == "0A"]
    return {socket.inet_ntoa(bytes.fromhex(ip)[::-1]) for ip, at in local if int(at, 16) == port}


def output(words: list[str], environ: dict[str, str]) -> str:
    done = subprocess.run(hookline(words), env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def notified(logs: dict[str, Path]) -> int:
    return sum(log.read_text().count("40 points added") for name, log in logs.items() if name != "receiver")


def healthy(service: str, environ: dict[str, str], port: int) -> bool:
    """Return True if the service's own health check passes."""
    kind, *words = SERVICES[service]["healthcheck"]["test"]
    assert kind == "CMD"
    words = [re.sub(r"127\.0\.0\.1:808[012]", f"127.0.0.1:{port}", word) for word in words]
    words = [sys.executable, *words[1:]] if words[0] == "python" else hookline(words[1:])
    return subprocess.run(words, env=environ, capture_output=True, check=False).returncode == 0
