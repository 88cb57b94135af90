"""Tests of rotated secrets and config changes while receivers and workers run: real processes, real HTTP."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from broker.redis.client import Client
from launcher.config.secrets import stored_secret
from sources.secret import Secret
from tests.launcher.running import Running
from tests.launcher.stack import Stack
from tests.redis_server import RedisServer
from tests.sink import running_sink
from tests.until import until
from tests.worker.channels.test_http import server
from tests.worker.conftest import send, webhook

ONE = '[sources.shop]\nsecrets = ["file:shop.key"]\n'
TWO = ONE + '[sources.club]\nsecrets = ["file:club.key"]\n'
ALONE, SUPERVISED = ("receiver",), ("receiver", "--processes", "2")


@pytest.fixture
def stack(tmp_path: Path, redis_server: RedisServer) -> Iterator[Stack]:
    stack = Stack(tmp_path, redis_server)
    yield stack
    stack.kill()


def logged(running: Running, action: str) -> list[str]:
    lines = [json.loads(line) for line in running.output.splitlines() if line.startswith("{")]
    return [line["message"] for line in lines if line["action"] == action]


@pytest.mark.parametrize("command", [ALONE, SUPERVISED], ids=" ".join)
async def test_a_secret_is_rotated_under_load_and_every_webhook_is_answered_202_or_401(
    stack: Stack, command: tuple[str, ...]
) -> None:
    stack.configure(ONE)
    old, new = stack.write_secret("shop.key", "the-old-secret"), Secret("the-new-secret")
    running = await stack.start(*command)
    answers: Counter[tuple[str, Secret, int]] = Counter()
    phase = "before"
    is_done = asyncio.Event()

    async def client(secret: Secret) -> None:
        while not is_done.is_set():
            began = phase
            status = await stack.post("shop", secret)
            answers[began if began == phase else "between", secret, status] += 1

    clients = [asyncio.create_task(client(secret)) for secret in (old, new) for _ in range(4)]
    await until(lambda: answers["before", old, 202] > 20 and answers["before", new, 401] > 20)
    phase = "between"
    stack.write_secret("shop.key", "the-new-secret")
    await stack.answers("shop", new, 202)
    await stack.answers("shop", old, 401)
    phase = "after"
    await until(lambda: answers["after", new, 202] > 20 and answers["after", old, 401] > 20)
    is_done.set()
    await asyncio.gather(*clients)

    assert {status for _, _, status in answers} == {202, 401}
    assert {(secret, status) for moment, secret, status in answers if moment == "before"} == {
        (old, 202),
        (new, 401),
    }
    assert {(secret, status) for moment, secret, status in answers if moment == "after"} == {
        (old, 401),
        (new, 202),
    }
    assert len(logged(running, "secret_rotated")) == 1
    assert "the-new" not in running.output


@pytest.mark.parametrize("command", [ALONE, SUPERVISED], ids=" ".join)
async def test_a_broken_secret_file_keeps_the_old_secret_until_it_is_repaired(
    stack: Stack, command: tuple[str, ...]
) -> None:
    stack.configure(ONE)
    old = stack.write_secret("shop.key", "the-old-secret")
    running = await stack.start(*command)

    for count, content in enumerate((None, "", "short"), 1):
        if content is None:
            (stack.directory / "shop.key").unlink()
        else:
            stack.write_secret("shop.key", content)
        await until(lambda: len(logged(running, "secret_refused")) == count)  # noqa: B023
        assert await stack.post("shop", old) == 202
    new = stack.write_secret("shop.key", "the-new-secret")
    await stack.answers("shop", new, 202)
    await stack.answers("shop", old, 401)

    missing, empty, short = logged(running, "secret_refused")
    assert missing.startswith("source shop keeps its old secret: cannot read the secret's file")
    assert empty.endswith("is empty")
    assert "too short" in short


@pytest.mark.parametrize("command", [ALONE, SUPERVISED], ids=" ".join)
async def test_sighup_adds_and_removes_sources(stack: Stack, command: tuple[str, ...]) -> None:
    shop, club = stack.write_secret("shop.key", "shop-secret"), stack.write_secret("club.key", "club-secret")
    stack.configure(ONE)
    running = await stack.start(*command)
    assert await stack.post("club", club) == 404

    stack.configure(TWO)
    running.signal(signal.SIGHUP)
    await stack.answers("club", club, 202)
    assert await stack.post("shop", shop) == 202

    stack.configure(TWO.replace("shop", "other").replace('"file:other.key"', '"file:shop.key"'))
    running.signal(signal.SIGHUP)
    await stack.answers("shop", shop, 404)
    await stack.answers("other", shop, 202)
    assert len(logged(running, "config_reloaded")) == 2
    running.signal(signal.SIGTERM)
    assert await running.ends() == 0


async def test_sighup_with_a_bad_config_reports_every_fault_and_changes_nothing(stack: Stack) -> None:
    shop, club = stack.write_secret("shop.key", "shop-secret"), stack.write_secret("club.key", "club-secret")
    stack.configure(ONE)
    running = await stack.start(*SUPERVISED)
    stack.configure(TWO)
    running.signal(signal.SIGHUP)
    await stack.answers("club", club, 202)

    stack.configure('[worker]\nprocesses = 0\n[sources.shop]\naddresses = ["eu9"]\nsecrets = ["file:gone"]\n')
    running.signal(signal.SIGHUP)
    await until(lambda: len(logged(running, "reload_refused")) == 3)
    for source, secret in (("shop", shop), ("club", club)):
        await stack.answers(source, secret, 202)
    places = [fault.split(": ")[1].split(" ")[0] for fault in logged(running, "reload_refused")]
    assert places == ["sources.shop.addresses[0]", "sources.shop.secrets[0]", "worker.processes"]

    before = running.children()
    for child in before:
        os.kill(child, signal.SIGKILL)
    await until(lambda: len(set(running.children()) - set(before)) == 2)
    for source, secret in (("shop", shop), ("club", club)):  # the last valid config, not the first one
        await stack.answers(source, secret, 202)


async def test_a_source_without_a_secret_is_refused_at_sighup(stack: Stack) -> None:
    shop = stack.write_secret("shop.key", "shop-secret")
    stack.configure(ONE)
    running = await stack.start(*ALONE)

    stack.configure(ONE + "[sources.club]\n")
    running.signal(signal.SIGHUP)

    await until(lambda: logged(running, "reload_refused"))
    assert 'source "club" has no signing secret' in logged(running, "reload_refused")[0]
    assert await stack.post("shop", shop) == 202


async def test_up_generates_the_secret_of_a_source_that_sighup_adds(stack: Stack) -> None:
    shop = stack.write_secret("shop.key", "shop-secret")
    stack.configure(ONE)
    running = await stack.start("up")
    await running.says("worker_started")

    stack.configure(ONE + "[sources.club]\n")
    running.signal(signal.SIGHUP)

    club = await until(lambda: stored_secret(stack.directory / ".hookline", "club"))
    await stack.answers("club", club, 202)
    assert await stack.post("shop", shop) == 202
    assert running.output.count("Generated a signing secret for club") == 1
    await until(lambda: logged(running, "worker_reloaded"))
    assert len(logged(running, "config_reloaded")) == 1
    running.signal(signal.SIGTERM)
    assert await running.ends() == 0


def rules(url: str, *texts: str) -> str:
    channel = f'[channels.sink]\nkind = "http"\nurl = "{url}"\nallow_private = true\n'
    return channel + "".join(
        f'[[rules]]\nname = "rule-{number}"\nevents = ["*"]\nchannel = "sink"\ntext = "{text}"\n'
        for number, text in enumerate(texts)
    )


async def test_sighup_gives_a_worker_new_rules_and_channels_unless_the_config_is_bad(
    stack: Stack, redis: Client
) -> None:
    async with running_sink() as old, running_sink() as new:
        stack.configure(rules(old.url, "old"))
        running = await stack.start("worker")
        await send(redis, webhook(1))
        await until(lambda: len(old.got) == 1)

        stack.configure(rules(new.url, "{{ unclosed", "{{ x }}").replace('"sink"', '"snik"'))
        running.signal(signal.SIGHUP)
        await until(lambda: len(logged(running, "reload_refused")) == 3)
        await send(redis, webhook(2))
        await until(lambda: len(old.got) == 2)

        stack.configure("[worker]\nmax_jobs = 7\n" + rules(new.url, "new", "more"))
        running.signal(signal.SIGHUP)
        await until(lambda: logged(running, "worker_reloaded"))
        await send(redis, webhook(3))
        await until(lambda: len(new.got) == 2)

        assert {n["text"] for n in old.got} == {"old"}
        assert {n["text"] for n in new.got} == {"new", "more"}
        [message] = logged(running, "config_reloaded")
        assert message.endswith("these settings change only with a restart: worker.max_jobs")
        assert "rules[0].text (line 9): not a Jinja2 template" in "".join(logged(running, "reload_refused"))
        running.signal(signal.SIGTERM)
        assert await running.ends() == 0


async def test_sighup_gives_a_worker_the_new_secret_of_a_channel(stack: Stack, redis: Client) -> None:
    old, new = (f"whsec_{base64.b64encode(text * 32).decode()}" for text in (b"o", b"n"))
    async with server() as crm:
        stack.write_secret("crm.key", old)
        stack.configure(rules(crm.url, "x").replace("allow_private", 'secrets = ["file:crm.key"]\nallow_private'))
        running = await stack.start("worker")
        await send(redis, webhook(1))
        await until(lambda: len(crm.posts) == 1)
        stack.write_secret("crm.key", new)
        running.signal(signal.SIGHUP)
        await until(lambda: logged(running, "worker_reloaded"))
        await send(redis, webhook(2))
        await until(lambda: len(crm.posts) == 2)
    for secret, (headers, body) in zip((old, new), crm.posts, strict=True):
        Webhook(secret).verify(body, {name.lower(): value for name, value in headers.items()})


async def test_a_worker_started_after_a_reload_uses_the_reloaded_config(stack: Stack, redis: Client) -> None:
    async with running_sink() as sink:
        stack.configure(rules(sink.url, "old"))
        running = await stack.start("worker", "--processes", "2")
        await until(lambda: len(logged(running, "worker_started")) == 2)
        stack.configure(rules(sink.url, "new"))
        running.signal(signal.SIGHUP)
        await until(lambda: logged(running, "config_reloaded"))

        for child in running.children():
            os.kill(child, signal.SIGKILL)
        await until(lambda: len(logged(running, "worker_started")) >= 4)
        await send(redis, webhook(1))

        await until(lambda: sink.got)
        assert [n["text"] for n in sink.got] == ["new"]
