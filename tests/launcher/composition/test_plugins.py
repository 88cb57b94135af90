"""The provider that the documents show, installed as a package: webhooks of its kind reach a channel."""

from __future__ import annotations

import hmac
import subprocess
import sys
import tomllib
from pathlib import Path

import aiohttp
import msgspec

from broker.monitoring.stats import read_totals
from broker.redis.client import Client
from tests import plugin
from tests.launcher.running import ROOT, environment
from tests.launcher.stack import Stack
from tests.redis_server import RedisServer
from tests.until import until

CONFIG = """
[sources.shop]
kind = "acme"
secrets = ["file:shop.key"]

[[rules]]
name = "paid"
sources = ["shop"]
events = ["order.paid"]
channel = "console"
text = "paid: {{ amount }}"
"""


def installed(site: Path) -> Path:
    code, pyproject = plugin.documented()
    project = tomllib.loads(pyproject)["project"]
    [(name, value)] = project["entry-points"]["hookline.providers"].items()
    return plugin.install(site, project["name"], f"{name} = {value}", **{value.partition(":")[0]: code})


async def test_the_documented_provider_takes_a_signed_webhook_to_a_channel(
    tmp_path: Path, redis_server: RedisServer, redis: Client
) -> None:
    site = installed(tmp_path)  # where forked commands, which do not read PYTHONPATH, find it too
    stack = Stack(tmp_path, redis_server, PYTHONPATH=f"{ROOT}:{site}")
    stack.configure(CONFIG)
    stack.write_secret("shop.key", "a-secret-of-the-shop")
    body = b'{"id":"evt-1","type":"order.paid","amount":4711}'
    signature = hmac.digest(b"a-secret-of-the-shop", body, "sha256").hex()
    try:
        running = await stack.start("up")
        async with aiohttp.ClientSession() as session:

            async def post(data: bytes, headers: dict[str, str]) -> tuple[int, str]:
                async with session.post(stack.url("shop"), data=data, headers=headers) as answer:
                    return answer.status, await answer.text()

            signed = {"X-Acme-Signature": signature}
            assert (await post(body, signed))[0] == 202
            assert (await post(body, signed))[0] == 202  # sent again
            assert (await post(body + b" ", signed))[0] == 401
            status, reason = await post(body, {})
            assert status == 401
            assert "the header x-acme-signature is missing" in reason

        async def is_done() -> bool:
            totals = await read_totals(redis)
            return (totals.processed, totals.duplicate, totals.sent) == (1, 1, 1)

        await until(is_done)
        sent = await stack.run("send", "--source", "shop", "--count", "2")
        assert "2" in sent
        await until(lambda: running.output.count("paid: ") == 3)
    finally:
        stack.kill()
    assert running.output.count("paid: 4711") == 1


def test_a_check_names_the_package_of_a_broken_plug_in_without_a_traceback(tmp_path: Path) -> None:
    site = plugin.install(
        tmp_path / "site", "acme-hooks", "acme = acme_hooks:PROVIDER", acme_hooks="import nothing_"
    )
    (tmp_path / "hookline.toml").write_text(CONFIG)
    (tmp_path / "shop.key").write_text("a-secret-of-the-shop")
    for command in ("check", "worker"):
        ran = subprocess.run(
            [sys.executable, "-m", "hookline", command],
            cwd=tmp_path,
            env=environment(PYTHONPATH=f"{ROOT}:{site}"),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 2
        output = ran.stdout + ran.stderr
        assert "sources.shop.kind" in output
        assert "the package acme-hooks 1.0: acme_hooks:PROVIDER cannot be imported: ModuleNotFoundError" in output
        assert "Traceback" not in output


def test_all_that_a_plug_in_needs_is_exported() -> None:
    import hookline
    import hookline.providers

    for module in (hookline, hookline.providers):
        for name in module.__all__:
            assert getattr(module, name) is not None
    assert msgspec.structs.fields(hookline.Provider)
