"""Tests of docker-compose.yml: what it promises and what it keeps closed."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from inspector.site import STOP_S
from launcher.config.config import load
from receiver.settings import Settings as ReceiverSettings
from tests.deploy.compose import COMPOSE, FILE, PARTS, SERVICES, filled_in, mounted_config, seconds
from tests.deploy.containers import ROOT
from worker.settings import Settings as WorkerSettings

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_the_file_is_valid_by_the_compose_specification() -> None:
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(checker, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_secrets_are_files_and_never_in_the_environment() -> None:
    for part in PARTS:
        environment, secrets = SERVICES[part]["environment"], SERVICES[part]["secrets"]
        named = {value for value in environment.values() if value.startswith("file:")}
        assert named == {f"file:/run/secrets/{secret}" for secret in secrets}
        assert not [name for name in environment if name.endswith("PASSWORD") and environment[name] not in named]
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", ())}
    assert used == set(COMPOSE["secrets"])


def test_secrets_come_from_files_because_compose_gives_a_read_only_container_no_others() -> None:
    assert COMPOSE["secrets"] == {name: {"file": f"./secrets/{name}"} for name in COMPOSE["secrets"]}
    assert "secrets/" in (ROOT / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize("page", ["README.md", "docs/deployment.md"])
def test_the_commands_of_the_page_make_every_secret_that_it_needs(page: str, tmp_path: Path) -> None:
    (block,) = re.findall(r"```sh\n([^`]*> secrets/redis_url[^`]*)```", (ROOT / page).read_text())
    lines = "".join(line for line in block.splitlines(keepends=True) if not line.startswith("docker compose"))
    subprocess.run(["/bin/sh", "-ec", f"umask 022; {lines}"], cwd=tmp_path, check=True)
    written = {path.name: path.read_text().strip() for path in (tmp_path / "secrets").iterdir()}
    needed = {name for name, service in SERVICES.items() if "profiles" not in service}
    assert written.keys() >= {secret for name in needed for secret in SERVICES[name].get("secrets", ())}
    assert written["redis_url"] == f"redis://:{written['redis_password']}@redis:6379"
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    # The users of the containers are not the user of this machine, so they must be able to read the files.
    assert {path.stat().st_mode & 0o444 for path in (tmp_path / "secrets").iterdir()} == {0o444}


def test_only_the_receiver_has_the_signing_secret() -> None:
    assert [name for name, service in SERVICES.items() if "voucherify" in service.get("secrets", ())] == [
        "receiver"
    ]


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_has_no_more_rights_than_it_needs(service: str) -> None:
    settings = SERVICES[service]
    assert settings["read_only"] is True
    assert settings["tmpfs"] == ["/tmp"]
    assert settings["cap_drop"] == ["ALL"] and "cap_add" not in settings
    assert settings["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in settings
    # The other images start as an unprivileged user by themselves.
    assert settings.get("user") == {"redis": "redis", "mail": "65534"}.get(service)


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_cannot_take_the_whole_machine(service: str) -> None:
    settings = SERVICES[service]
    assert settings["pids_limit"] > 0 and settings["mem_limit"] and settings["cpus"] > 0
    assert settings["logging"] == {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}}


def test_redis_has_one_minor_version_and_only_hookline_can_reach_it() -> None:
    assert re.fullmatch(r"redis:\d+\.\d+-alpine", SERVICES["redis"]["image"])
    assert SERVICES["redis"]["networks"] == ["redis"]
    assert COMPOSE["networks"]["redis"] == {"internal": True}
    assert "ports" not in SERVICES["redis"]
    assert [name for name in SERVICES if "redis" in SERVICES[name].get("networks", ())] == ["redis", *PARTS]


def test_every_port_is_open_to_this_machine_alone() -> None:
    ports = [filled_in(port, {}) for service in SERVICES.values() for port in service.get("ports", ())]
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in ports)
    assert {"127.0.0.1:8080:8080", "127.0.0.1:8081:8081"} <= set(ports)


def test_only_the_profiles_add_services_to_those_of_hookline() -> None:
    profiles = {name: service.get("profiles") for name, service in SERVICES.items()}
    assert [name for name, wanted in profiles.items() if wanted is None] == ["redis", *PARTS]
    assert profiles["prometheus"] == profiles["grafana"] == ["monitoring"]
    assert profiles["mail"] == ["mail"]


def test_workers_can_be_scaled() -> None:
    assert not {"container_name", "ports", "hostname"} & set(SERVICES["worker"])


def test_containers_get_longer_to_stop_than_the_parts_need() -> None:
    receiver, worker = ReceiverSettings(), WorkerSettings()
    grace = {part: seconds(SERVICES[part]["stop_grace_period"]) for part in PARTS}
    assert grace["receiver"] > receiver.shutdown_timeout_s + receiver.flush_timeout_s
    assert grace["worker"] > 2 * worker.stop_grace_s
    assert grace["inspector"] > STOP_S


def test_every_mounted_file_exists_and_the_config_is_valid() -> None:
    volumes = [volume.split(":") for service in SERVICES.values() for volume in service.get("volumes", ())]
    for source, *_ in volumes:
        assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
    assert {target for source, target, *_ in volumes if source == "./deploy/hookline.toml"} == {
        "/etc/hookline/hookline.toml"
    }
    assert "WORKDIR /etc/hookline\n" in DOCKERFILE
    assert load(mounted_config(), {}).rules[0].name == "points-added"


def test_the_image_owns_the_directory_of_the_spill_volume() -> None:
    target = SERVICES["receiver"]["environment"]["HOOKLINE_RECEIVER_SPILL_DIR"]
    assert f"spill:{target}" in SERVICES["receiver"]["volumes"]
    assert f"install --directory --owner=hookline {target}\n" in DOCKERFILE


def test_the_commented_parts_of_the_config_are_valid_too(tmp_path: Path) -> None:
    text = mounted_config().read_text()
    active, commented = text.split("# To POST", 1)
    lines = [line.removeprefix("# ").removeprefix("#") for line in commented.splitlines()[1:]]
    settings = [line for line in lines if re.match(r"\[|\w+ = ", line)]
    (tmp_path / "hookline.toml").write_text(active + "\n".join(settings))
    assert set(load(tmp_path / "hookline.toml", {}).channels) >= {"crm", "mail"}


def test_the_image_contains_every_package_and_runs_as_an_unprivileged_user() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for package in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        assert f"COPY {package}/ {package}/\n" in DOCKERFILE
        assert f"!{package}" in ignored
    assert "\nUSER hookline\n" in DOCKERFILE
    assert 'ENTRYPOINT ["hookline"]' in DOCKERFILE
    assert "\nARG EXTRAS=\n" in DOCKERFILE
    assert all("EXTRAS" in SERVICES[part]["build"]["args"] for part in PARTS)
