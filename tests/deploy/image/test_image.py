"""Tests of the image, which buildah builds and runs without Docker: `make image-test`."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.deploy.compose import Redis, container, health_check, mounted_config
from tests.deploy.containers import Host, wait_for
from tests.deploy.image.buildah import PROGRAMS, build, buildah, running, succeeds

MISSING = [program for program in PROGRAMS if shutil.which(program) is None]

pytestmark = [
    pytest.mark.image,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {' '.join(MISSING)} (apt-get install)"),
    pytest.mark.skipif(os.getuid() != 0, reason="debootstrap and buildah with chroot isolation need root"),
]


@pytest.fixture(scope="module", autouse=True)
def image() -> None:
    build(extras="apprise")


def environ(host: Host, service: str) -> Mapping[str, str]:
    """Return the environment of a service with the ports of this machine. The paths are those of the container."""
    ports = {"HOOKLINE_RECEIVER_PORT": "8080", "HOOKLINE_INSPECTOR_PORT": "8081", **container(service).environment}
    return {name: re.sub(r"^80\d\d$", lambda port: str(host.port(int(port[0]))), ports[name]) for name in ports}


def healthy(host: Host, service: str, name: str) -> bool:
    """Return True if the health check of the compose file passes in this container."""
    words = [
        re.sub(r":(80\d\d)", lambda port: f":{host.port(int(port[1]))}", word) for word in health_check(service)
    ]
    return succeeds(name, words)


def test_the_services_of_the_compose_file_work_in_the_image(tmp_path: Path) -> None:
    host = Host(tmp_path)
    redis = Redis(host)
    for secret in ("voucherify", "inspector_password"):
        host.write(f"/run/secrets/{secret}", "a secret of the test")
    shutil.copy(mounted_config(), host.path("/etc/hookline/hookline.toml"))
    for file in host.path("/run/secrets").iterdir():  # the user of the image is not the user of this machine
        file.chmod(0o444)
    tmp_path.chmod(0o755)
    folders = {host.path(folder): folder for folder in ("/run/secrets", "/etc/hookline")}
    with redis.running(), ExitStack() as services:
        names = {
            part: services.enter_context(running(container(part).arguments, environ(host, part), folders))
            for part in ("receiver", "worker", "inspector")
        }
        for port in (8080, 8082, 8083):
            wait_for(lambda port=port: host.answers(port, "/readyz"))  # type: ignore[misc]
        for part, name in names.items():
            wait_for(lambda part=part, name=name: healthy(host, part, name))  # type: ignore[misc]
        sent = host.output(
            container("receiver"), "send", "--url", f"http://127.0.0.1:{host.port(8080)}", "--count", "20"
        )
        assert "20 x 202" in sent
        wait_for(lambda: json.loads(host.output(container("receiver"), "status", "--json"))["sent"] == 20)


def test_the_image_has_an_unprivileged_user_who_owns_the_directory_of_the_volume() -> None:
    name = buildah("from", "--pull=false", "localhost/hookline:test")
    try:
        assert succeeds(name, ["sh", "-c", 'test "$(id -u)" = 10001 && test -w /var/lib/hookline/spill'])
        assert not succeeds(name, ["sh", "-c", "touch /opt/hookline/file || touch /etc/hookline/file"])
        assert succeeds(name, ["python", "-c", "import apprise"])
    finally:
        buildah("rm", name)
