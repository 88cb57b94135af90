"""A clean installation has no finding, and each fault that is planted in one is found with its cure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import redis

from broker.history.segments import SegmentInfo, packed_info
from broker.monitoring.alerts import Alert
from broker.redis.keys import prefix_of
from launcher.commands.doctor.doctor import examine
from launcher.commands.doctor.finding import Finding, Report
from launcher.composition.command_context import Context
from sources.secret import Secret
from tests.broker.redis.test_permissions import DOCUMENT, RULE
from tests.inspector.stack import sample
from tests.launcher.running import environment, hookline
from tests.launcher.stack import Stack
from tests.names import KEYS
from tests.redis_server import RedisServer
from tests.redis_users import user_url
from tests.until import until

JOB = "0abc.3"
LATER_MS = 4_102_444_800_000
"""A due time so late that no worker takes the job."""

Server = redis.Redis
Plant = Callable[[Server], object]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def add_job(server: Server, job: str = JOB) -> None:
    server.set(KEYS.job + job, "job")
    server.zadd(KEYS.queue, {job: LATER_MS})


def config(directory: Path, url: str, more: str = "") -> Context:
    file = directory / "hookline.toml"
    file.write_text(f'[redis]\nurl = "{url}"\n{more}')
    return Context(file)


def shown(report: Report) -> str:
    return "\n".join(f"{finding.what} -> {finding.fix}" for finding in report.findings)


def found(report: Report, words: str) -> Finding:
    matching = [finding for finding in report.findings if words in finding.what]
    assert len(matching) == 1, shown(report)
    return matching[0]


@pytest.fixture
def server(redis_server: RedisServer) -> Iterator[Server]:
    with redis_server.client() as client:
        yield client


RULES = """
[[rules]]
name = "all"
events = ["*"]
channel = "console"
text = "new"
latest_only = "data.customer.id"
[[rules]]
name = "daily"
events = ["*"]
channel = "console"
text = "{{ events | length }} new"
digest = { key = "data.customer.id", window = "1h" }
"""


@pytest.mark.parametrize("partitions", [1, 3])
async def test_a_clean_installation_that_works_has_no_finding(
    partitions: int, tmp_path: Path, redis_server: RedisServer
) -> None:
    secret = Secret("0123456789abcdef0123456789abcdef")
    variables = {"SOURCES_VOUCHERIFY_SECRETS": secret.reveal().decode(), "REDIS_PARTITIONS": str(partitions)}
    stack = Stack(tmp_path, redis_server, **{f"HOOKLINE_{name}": value for name, value in variables.items()})
    stack.configure(RULES)
    totals = [prefix_of("hookline", number) + "stats:total" for number in range(partitions)]
    try:
        await stack.start("receiver")
        await stack.start("worker", "--processes", "2")
        assert {await stack.post_body("voucherify", secret, sample(number)) for number in range(20)} == {202}
        with redis_server.client() as client:
            await until(lambda: sum(int(client.hget(total, "digested") or 0) for total in totals) == 20)
            await until(lambda: all(not client.zcard(total.replace("stats:total", "queue")) for total in totals))

        report = msgspec.json.decode(await stack.run("doctor", "--json"), type=Report)
        text = await stack.run("doctor")
    finally:
        stack.kill()

    assert (report.findings, report.notes) == ((), ()), shown(report)
    assert text == "OK: nothing found\n"


def overwrite(server: Server) -> None:
    server.set(KEYS.set_aside_of + "1:queue", "x")
    server.zadd(KEYS.set_aside, {KEYS.set_aside_of + "1:queue": now_ms()})


def fail_a_channel(server: Server) -> None:
    server.sadd(KEYS.channels, "chat")
    fields = {"failures": 9, "opened": 1, "open_until_ms": LATER_MS, "cause": "503 from chat\n.example.com"}
    server.hset(KEYS.channel + "chat", mapping=fields)


def pause_a_channel(server: Server) -> None:
    server.sadd(KEYS.channels, "chat")
    server.hset(KEYS.channel + "chat", "paused_since_ms", now_ms() - 7_200_000)


def lease_for_ever(server: Server) -> None:
    add_job(server)
    server.set(KEYS.in_progress + JOB, "a worker")


def restart(server: Server) -> None:
    add_job(server)
    server.set(KEYS.retry + JOB, 3, ex=60)


def raise_alert(server: Server) -> None:
    alert = Alert(kind="silence", source="shop", since_ms=now_ms() - 60_000, text="no webhook for 2 h")
    server.hset(KEYS.alerts, "silence:shop", b"1" + msgspec.json.encode(alert))


def fill_the_history(server: Server) -> None:
    day_ms = 86_400_000
    for ago in (2, 1):
        info = SegmentInfo(
            id=f"{ago}",
            first_ms=now_ms() - ago * day_ms,
            last_ms=now_ms(),
            rows=1,
            late=0,
            buckets=1,
            size=170_000_000,
            packed_starts=b"",
            names=frozenset(),
            states=frozenset(),
        )
        server.hset(KEYS.history_segments, info.id, packed_info(info))


FAULTS: dict[str, tuple[Plant, str, str, str]] = {
    "an id in the queue whose job is gone": (
        lambda server: server.zadd(KEYS.queue, {JOB: LATER_MS}),
        "problem",
        "1 job (0abc.3) in `queue` without a job key",
        "replay these events at the provider",
    ),
    "a lease that does not expire": (
        lease_for_ever,
        "problem",
        "1 job (0abc.3) with a lease that does not expire",
        "delete these keys with redis-cli",
    ),
    "a job that is started again and again": (
        restart,
        "warning",
        "1 job (0abc.3) started again and again",
        "after 3 starts the notifications become dead letters",
    ),
    "a job that left the queue": (
        lambda server: server.set(KEYS.job + JOB, "job"),
        "problem",
        "1 job (0abc.3) neither in `queue` nor held",
        "add each id to queue",
    ),
    "no worker is alive": (
        add_job,
        "problem",
        "no worker is alive, and 0 webhooks and 0 notifications wait",
        "start workers",
    ),
    "a key of another program": (
        lambda server: server.set(KEYS.prefix + "session\n:1", "x"),
        "warning",
        r"1 key ({hookline:0}:session :1) in the namespace that Hookline does not write",
        "give it other names",
    ),
    "a key that lost its expiry": (
        lambda server: server.sadd(KEYS.prefix + "dedupe:shop:20000:1", 1),
        "warning",
        "1 key ({hookline:0}:dedupe:shop:20000:1) without an expiry",
        "PERSIST",
    ),
    "a rest of a job": (
        lambda server: server.sadd(KEYS.done + JOB, 1),
        "warning",
        "1 key ({hookline:0}:notify:done:0abc.3) of jobs that are gone",
        "delete them",
    ),
    "a value of another program": (
        overwrite,
        "warning",
        "another program has overwritten keys: 1 set aside",
        "delete them",
    ),
    "a channel that fails": (
        fail_a_channel,
        "problem",
        "channel chat fails, 0 jobs held: 503 from chat .example.com",
        "hookline channel probe",
    ),
    "a channel that is paused": (
        pause_a_channel,
        "warning",
        "channel chat has been paused for 2 h",
        "hookline channel resume",
    ),
    "an active alert": (
        raise_alert,
        "warning",
        "silence: no webhook for 2 h (for 1 min)",
        "check at the provider",
    ),
    "a clock that is wrong": (
        lambda server: server.hset(
            KEYS.clocks,
            "worker-7",
            msgspec.json.encode({"process": "worker-7", "ahead_ms": -9000, "at_ms": now_ms()}),
        ),
        "warning",
        "the clock of worker-7 is 9.0 s behind",
        "NTP",
    ),
    "a history that is too small": (
        fill_the_history,
        "warning",
        "the history reaches back 2 d instead of 7 days: it takes 324.2 MiB, and history.max_mb is 256",
        "raise history.max_mb",
    ),
    "a history that is not shortened": (
        fill_the_history,
        "warning",
        "the history takes 324.2 MiB, more than history.max_mb allows (256 MB)",
        "they remove the oldest part every few minutes",
    ),
    "webhooks on disk": (
        lambda server: server.hset(
            KEYS.spilled,
            "host:/spill",
            msgspec.json.encode(
                {"bodies": 3, "segments": 1, "corrupt": 1, "oldest_ms": now_ms(), "at_ms": now_ms()}
            ),
        ),
        "problem",
        "3 webhooks on disk in host:/spill",
        "start a receiver on that machine",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_planted_fault_is_found_with_its_cure(
    fault: str, tmp_path: Path, redis_server: RedisServer, server: Server
) -> None:
    plant, severity, what, fix = FAULTS[fault]
    plant(server)

    report = examine(config(tmp_path, redis_server.url))

    finding = found(report, what)
    assert (finding.severity, fix in finding.fix, report.exit_code) == (severity, True, 1), finding


def test_a_history_that_no_live_worker_seals_is_found_and_without_a_worker_that_is_the_finding(
    tmp_path: Path, redis_server: RedisServer, server: Server
) -> None:
    server.xadd(KEYS.history, {"x": "y"}, id=f"{now_ms() - 3_600_000}-0")
    context = config(tmp_path, redis_server.url)
    assert not any(finding.area == "history" for finding in examine(context).findings)
    server.zadd(KEYS.workers, {"w": 1})
    server.set(KEYS.health + "w", "config", ex=600)

    finding = found(examine(context), "1 block of the history waits to be sealed, the oldest for 1 h")

    assert "see the logs of the workers for history_failed" in finding.fix


def test_a_redis_that_may_lose_webhooks_is_a_problem_with_its_cure(tmp_path: Path, own_redis: RedisServer) -> None:
    with own_redis.client() as client:
        client.config_set("appendonly", "no")
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", "allkeys-lru")

    report = examine(config(tmp_path, own_redis.url))

    assert found(report, "appendonly no").fix == "set appendonly yes"
    assert found(report, "Redis may evict").fix == "set maxmemory-policy noeviction"
    assert report.exit_code == 1


def test_a_redis_that_is_nearly_full_is_found(tmp_path: Path, own_redis: RedisServer) -> None:
    with own_redis.client() as client:
        client.config_set("maxmemory", int(client.info("memory")["used_memory"] * 1.1))

    finding = found(examine(config(tmp_path, own_redis.url)), "of its memory limit")

    assert (finding.severity, "raise maxmemory" in finding.fix) == ("problem", True)


def test_missing_permissions_name_the_acl_rule(tmp_path: Path, redis_server: RedisServer) -> None:
    url = user_url(redis_server, "~*", "+@all", "-xpending")

    finding = found(examine(config(tmp_path, url)), "may not run XPENDING")

    assert finding.fix.startswith("ACL SETUSER limited +xpending")


@pytest.mark.parametrize("part", ["receiver", "worker", "reader", "inspector"])
def test_as_the_documented_user_of_a_part_it_says_what_it_cannot_check_and_checks_the_rest(
    part: str, tmp_path: Path, redis_server: RedisServer, server: Server
) -> None:
    rules = {name: words.split() for name, words in RULE.findall(DOCUMENT.read_text("utf-8"))}
    url = user_url(redis_server, *rules[part], name=f"hookline-{part}")
    server.zadd(KEYS.queue, {JOB: LATER_MS})
    server.set(KEYS.layout.replace(":0}", ":1}"), "1")
    server.set(KEYS.layout, "2")
    server.set(KEYS.prefix + "session", "x")
    server.zadd(KEYS.workers, {"w": 1})
    server.set(KEYS.health + "w", "another config", ex=600)

    report = examine(config(tmp_path, url, "partitions = 2\n"))

    unchecked = [finding.what for finding in report.findings if finding.area == "permissions"]
    cannot = {
        "receiver": [
            "the permissions of the worker and the inspector, because this Redis user is that of the receiver",
            "queue, workers, channels, spilled webhooks, counters and alerts",
            "the keys, because the Redis user may not run SCAN",
            "which workers read the partitions, because the Redis user may not run XINFO CONSUMERS",
            "the jobs, because the Redis user may not run ZRANGE",
            "the history, because the Redis user may not run XLEN",
        ],
        "worker": ["the permissions of the inspector, because this Redis user is that of the worker", "the keys"],
        "reader": ["writes, which installation has the namespace", "the keys", "the jobs"],
        "inspector": [],
    }[part]
    assert len(unchecked) == len(cannot), shown(report)
    for what, words in zip(unchecked, cannot, strict=True):
        assert f"cannot check {words}" in what
    assert not any("which the" in finding.what for finding in report.findings), shown(report)
    assert found(report, "partition 1: its layout is 1 and not 2")
    if part != "receiver":
        assert found(report, "partition 1: no worker reads it")
    if part in ("worker", "inspector"):
        assert found(report, "partition 0: 1 job (0abc.3) in `queue` without a job key")
        assert found(report, "run with another config than this one")
    if part == "inspector":
        assert found(report, "in the namespace that Hookline does not write")


def test_a_partition_that_cannot_be_read_does_not_hide_the_others(
    tmp_path: Path, redis_server: RedisServer, server: Server
) -> None:
    server.set(KEYS.layout, "2")
    server.zadd(KEYS.queue, {JOB: LATER_MS})
    url = user_url(redis_server, "~{hookline:0}:*", "+@all")

    report = examine(config(tmp_path, url, "partitions = 2\n"))

    assert "~{hookline:1}" in found(report, "may not read and write all keys").fix
    assert found(report, "1 job (0abc.3) in `queue` without a job key")
    assert report.exit_code == 1


def test_a_redis_without_replicas_names_what_to_do(tmp_path: Path, redis_server: RedisServer) -> None:
    report = examine(config(tmp_path, redis_server.url, '[receiver]\ndurability = "replicated"\n'))

    assert found(report, "needs 1 replicas").fix.startswith("connect the missing replicas")


def test_a_redis_that_does_not_answer_is_one_problem(tmp_path: Path) -> None:
    report = examine(config(tmp_path, "redis://127.0.0.1:1"))

    assert [finding.area for finding in report.findings] == ["redis"]
    assert report.findings[0].fix.startswith("start that Redis")
    assert "the running state is unknown" in report.notes[-1]


def test_a_partition_with_another_layout_is_named(
    tmp_path: Path, redis_server: RedisServer, server: Server
) -> None:
    server.set(KEYS.layout, "2")
    server.set(KEYS.layout.replace(":0}", ":1}"), "1")

    report = examine(config(tmp_path, redis_server.url, "partitions = 2\n"))

    finding = found(report, "partition 1: its layout is 1 and not 2")
    assert "hookline redis repartition" in finding.fix


def test_an_unusable_spill_directory_is_found(tmp_path: Path, redis_server: RedisServer) -> None:
    (tmp_path / "file").touch()
    directory = tmp_path / "file" / "spill"

    report = examine(config(tmp_path, redis_server.url, f'[receiver]\nspill_dir = "{directory}"\n'))

    finding = found(report, "receiver.spill_dir")
    assert (finding.severity, finding.area) == ("problem", "config")


def test_without_a_running_installation_the_exit_code_is_1(tmp_path: Path) -> None:
    ran = hookline("doctor", cwd=tmp_path, env=environment())

    assert ran.returncode == 1
    assert ran.stdout.splitlines()[1].startswith("         fix: set REDIS_URL")


def test_a_fault_of_the_config_ends_with_exit_code_2(tmp_path: Path) -> None:
    ran = hookline("doctor", cwd=tmp_path, env=environment(HOOKLINE_RECEIVER_PORT="x"))

    assert (ran.returncode, ran.stderr) == (2, "")
    assert ran.stdout == "fault    HOOKLINE_RECEIVER_PORT: expected `int`\n1 problem and 0 warnings found\n"


def test_the_doctor_changes_no_key_except_the_probe(
    tmp_path: Path, redis_server: RedisServer, server: Server
) -> None:
    for plant, *_ in FAULTS.values():
        plant(server)
    before = {name: server.dump(name) for name in server.scan_iter()}

    examine(config(tmp_path, redis_server.url))

    assert {name: server.dump(name) for name in server.scan_iter() if name != KEYS.probe.encode()} == before
