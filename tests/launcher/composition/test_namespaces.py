"""Tests of two installations on one Redis, as an operator starts them."""

import asyncio
from pathlib import Path

from tests.launcher.running import Running, environment, hookline
from tests.launcher.test_cli import one_line
from tests.redis_server import RedisServer

STAGING = 'the namespace "hookline" in Redis belongs to an installation with other sources or secrets'


def config(directory: Path, redis_url: str, *sources: str, secret: str = "s", namespace: str = "hookline") -> Path:
    rows = [f'[redis]\nurl = "{redis_url}"\nnamespace = "{namespace}"\n[receiver]\nport = 0\n']
    for name in sources:
        (directory / name).write_text(secret * 32)
        rows.append(f'[sources.{name}]\nkind = "voucherify"\nsecrets = ["file:{directory / name}"]\n')
    (directory / "hookline.toml").write_text("\n".join(rows))
    return directory


async def started(directory: Path, part: str) -> Running:
    running = Running("-m", "launcher", part, cwd=directory, env=environment())
    await running.says(f"{part}_started")
    return running


async def refused(directory: Path, part: str) -> str:
    return one_line(await asyncio.to_thread(hookline, part, cwd=directory, env=environment()), 2)


async def test_a_second_installation_is_refused_and_runs_in_a_namespace_of_its_own(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    production, staging = (tmp_path / name for name in ("production", "staging"))
    for directory in (production, staging):
        directory.mkdir()
    config(production, redis_server.url, "shop")
    running = [await started(production, "receiver"), await started(production, "worker")]
    try:
        for secret, source in (("t", "shop"), ("s", "other")):
            config(staging, redis_server.url, source, secret=secret)
            for part in ("receiver", "worker"):
                line = await refused(staging, part)
                assert STAGING in line
                assert "HOOKLINE_REDIS_NAMESPACE" in line
            checked = await asyncio.to_thread(hookline, "check", cwd=staging, env=environment())
            assert checked.returncode == 1
            assert STAGING in checked.stdout
        config(staging, redis_server.url, "shop", secret="t", namespace="staging")
        running += [await started(staging, "receiver"), await started(staging, "worker")]
    finally:
        for one in running:
            one.kill()


async def test_check_notes_workers_that_run_with_another_config(tmp_path: Path, redis_server: RedisServer) -> None:
    running = await started(config(tmp_path, redis_server.url, "shop"), "worker")
    try:
        with (tmp_path / "hookline.toml").open("a") as file:
            file.write('[[rules]]\nname = "new"\nevents = ["*"]\nchannel = "console"\ntext = "x"\n')
        checked = await asyncio.to_thread(hookline, "check", cwd=tmp_path, env=environment())
    finally:
        running.kill()
    assert checked.returncode == 0, checked.stdout
    assert 'workers in the namespace "hookline" run with another config' in checked.stdout


async def test_a_config_changes_source_by_source_and_completely_after_a_confirmation(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    env = environment()
    for sources in (("a",), ("a", "b"), ("b",)):
        running = await started(config(tmp_path, redis_server.url, *sources), "receiver")
        running.kill()
    config(tmp_path, redis_server.url, "c")
    assert "hookline redis accept-sources" in await refused(tmp_path, "receiver")
    accepted = await asyncio.to_thread(hookline, "redis", "accept-sources", "--yes", cwd=tmp_path, env=env)
    assert accepted.returncode == 0, accepted.stderr
    running = await started(tmp_path, "receiver")
    running.kill()
