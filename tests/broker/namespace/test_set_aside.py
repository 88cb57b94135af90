"""Tests that values of other programs are set aside, and that no step is done by half because of them."""

import time

import pytest
from redis.exceptions import ResponseError

from broker.monitoring import alerts, stats
from broker.monitoring.alerts import Alert
from broker.namespace.set_aside import read_set_aside
from broker.queue import claims, dedupe, jobs, stream
from broker.queue.batch import RawBody
from broker.queue.jobs import Notification, NotifyJob
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation
from broker.redis.keys import DECLARED, GROUP, type_of
from broker.steps.commit import NewEvent, Processed, Share, commit
from tests.names import KEYS

NOW_MS = int(time.time() * 1000)
BODY = RawBody(NOW_MS, "voucherify", "", b"{}")


async def commit_one(redis: Client, number: int = 1) -> None:
    """Commit one webhook: from the stream to a job with one notification."""
    await stream.append(redis, [BODY], Confirmation())
    [entry] = await stream.read(redis, "worker-1", count=1, block_ms=1) or await stream.read(
        redis, "worker-1", count=1, block_ms=1
    )
    mark = dedupe.mark("voucherify", str(number), occurred_at_ms=NOW_MS, window_ms=7 * dedupe.DAY_MS)
    job = NotifyJob("crm", 1, NOW_MS, [Notification(f"key-{number}", "rule", "event", BODY)])
    await commit(redis, [Processed(entry.id, 1, [NewEvent(mark, [Share(1, 0, 1)])], [])], [job])


async def names(redis: Client) -> list[str]:
    return sorted(key.name.rpartition(":")[2] for key in await read_set_aside(redis))


@pytest.mark.parametrize("key", [KEYS.stream, KEYS.queue, KEYS.stats_total])
async def test_a_key_of_another_type_is_set_aside_and_its_step_is_complete(redis: Client, key: str) -> None:
    await redis.set(key, "what another program put there")
    await commit_one(redis)
    totals = await stats.read_totals(redis)
    assert (totals.accepted, totals.processed, totals.created, totals.waiting) == (1, 1, 1, 1)
    [job] = (await claims.claim(redis, "worker-1", count=10, lease_ms=1000)).jobs
    assert jobs.decode(jobs.deserialize(job.blob)["a"][0]).channel == "crm"
    [moved] = await read_set_aside(redis)
    assert (moved.type, moved.name.startswith(KEYS.set_aside_of)) == ("string", True)
    assert moved.name.endswith(key[len(KEYS.prefix) :])
    assert await redis.get(moved.name) == b"what another program put there"


async def test_a_deduplication_set_of_another_type_loses_no_webhook(redis: Client) -> None:
    mark = dedupe.mark("voucherify", "1", occurred_at_ms=NOW_MS, window_ms=7 * dedupe.DAY_MS)
    await redis.rpush(KEYS.prefix + mark.key, "x")
    await commit_one(redis)
    assert await redis.zcard(KEYS.queue) == 1
    assert await redis.type(KEYS.prefix + mark.key) == b"set"
    assert len(await read_set_aside(redis)) == 1


async def test_only_the_counters_that_are_not_numbers_are_set_aside(redis: Client) -> None:
    await commit_one(redis)
    await redis.hset(KEYS.stats_total, "processed", "many")
    await commit_one(redis, 2)
    totals = await stats.read_totals(redis)
    assert (totals.accepted, totals.processed) == (2, 1)
    [moved] = await read_set_aside(redis)
    assert await redis.hgetall(moved.name) == {b"processed": b"many"}


@pytest.mark.parametrize("value", ["many", "nan", "inf", "1e400", "9" * 30, ""])
async def test_a_counter_that_is_not_a_number_is_shown_as_missing(redis: Client, value: str) -> None:
    await redis.hset(KEYS.stats_total, mapping={"sent": value, "dead": "3"})
    totals = await stats.read_totals(redis)
    assert (totals.sent, totals.dead) == (0, 3)


async def test_a_read_outside_of_scripts_sets_it_aside_too(redis: Client) -> None:
    await redis.set(KEYS.stats_total, "x")
    assert (await stats.read_totals(redis)).accepted == 0
    await redis.set(KEYS.stats_minute + str(int(time.time() // 60)), "x")
    assert len(await stats.read_history(redis, points=3, minutes=1)) == 3
    assert len(await read_set_aside(redis)) == 2


async def test_a_valid_value_that_replaced_a_wrong_one_meanwhile_stays(redis: Client) -> None:
    """Two readers may be refused at the same time: the first sets the key aside, and webhooks follow."""
    refusal = ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")
    read = ("XREADGROUP", "GROUP", GROUP, "worker-1", "BLOCK", 1, "STREAMS", KEYS.stream, ">")
    assert await redis.made_way(refusal, read)
    await stream.append(redis, [BODY], Confirmation())
    assert await redis.made_way(refusal, read)
    assert await redis.xlen(KEYS.stream) == 1
    assert await redis.made_way(
        ResponseError("hash value is not an integer"), ("HINCRBY", KEYS.stats_total, "accepted", 1)
    )
    assert (await stats.read_totals(redis)).accepted == 1
    assert await read_set_aside(redis) == []


async def test_every_declared_key_has_its_own_type() -> None:
    assert [type_of(key.name + "x" * key.name.endswith(":")) for key in DECLARED.values()] == [
        key.type for key in DECLARED.values()
    ]
    assert (type_of("dead:index"), type_of("dead:1"), type_of("new")) == ("zset", "string", "")


async def test_the_list_of_set_aside_keys_may_be_of_another_type_itself(redis: Client) -> None:
    await redis.set(KEYS.set_aside, "x")
    await redis.set(KEYS.queue, "y")
    await commit_one(redis)
    assert await names(redis) == ["queue"]


async def test_a_key_that_an_operator_deleted_is_no_longer_listed(redis: Client) -> None:
    await redis.set(KEYS.queue, "y")
    await commit_one(redis)
    [moved] = await read_set_aside(redis)
    await redis.delete(moved.name)
    assert await read_set_aside(redis) == []
    assert await redis.exists(KEYS.set_aside) == 0


async def test_nothing_outside_the_namespace_is_set_aside(redis: Client) -> None:
    await redis.set("other-program:list", "x")
    with pytest.raises(Exception, match="WRONGTYPE"):
        await redis.rpush("other-program:list", "y")
    assert await redis.get("other-program:list") == b"x"


async def test_a_job_of_another_type_is_claimed_as_an_unreadable_job(redis: Client) -> None:
    await commit_one(redis)
    [name] = await redis.zrange(KEYS.queue, 0, -1)
    await redis.delete(KEYS.job + name.decode())
    await redis.rpush(KEYS.job + name.decode(), "x")
    [job] = (await claims.claim(redis, "worker-1", count=10, lease_ms=1000)).jobs
    assert jobs.deserialize(job.blob)["f"] == jobs.UNREADABLE


async def test_settled_indices_that_the_job_does_not_have_do_not_end_it(redis: Client) -> None:
    await commit_one(redis)
    [name] = await redis.zrange(KEYS.queue, 0, -1)
    await redis.sadd(KEYS.done + name.decode(), "x", "7", "-1")
    [job] = (await claims.claim(redis, "worker-1", count=10, lease_ms=1000)).jobs
    assert job.done == frozenset()
    assert await redis.exists(KEYS.done + name.decode()) == 0


async def test_a_lease_without_an_end_counts_as_no_lease(redis: Client) -> None:
    await commit_one(redis)
    [name] = await redis.zrange(KEYS.queue, 0, -1)
    await redis.set(KEYS.in_progress + name.decode(), "no-such-worker")
    assert len((await claims.claim(redis, "worker-1", count=10, lease_ms=1000)).jobs) == 1


async def test_an_id_that_is_not_text_leaves_the_queue(redis: Client) -> None:
    await redis.zadd(KEYS.queue, {b"\xff\xfe": 0, b"a b": 0})
    assert (await claims.claim(redis, "worker-1", count=10, lease_ms=1000)).jobs == []
    assert await redis.zcard(KEYS.queue) == 0


@pytest.mark.parametrize("number", ["many", "-5", "inf", "9" * 40, "1.5"])
async def test_an_entry_with_an_invalid_number_of_bodies_is_read(redis: Client, number: str) -> None:
    await stream.create_group(redis)
    await redis.xadd(KEYS.stream, {"n": number, "z": "x"})
    [entry] = await stream.read(redis, "worker-1", count=10, block_ms=1)
    assert entry.bodies in (0, 1)


async def test_an_unreadable_alert_hides_no_other_and_is_removed(redis: Client) -> None:
    alert = Alert(kind="outage", source="voucherify", since_ms=1, text="x")
    await alerts.raise_alert(redis, alert, mark_ms=1000)
    await redis.hset(KEYS.alerts, b"\xff", b"\xff")
    assert await alerts.current_alerts(redis, now_ms=NOW_MS) == [alert]
    await alerts.forget_ended(redis, now_ms=NOW_MS)
    assert await redis.hlen(KEYS.alerts) == 1
