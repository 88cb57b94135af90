"""Whose turn it is where only the latest counts, on a real Redis."""

from broker import keys, latest
from broker.client import Client
from tests.names import KEYS

SUBJECT = latest.subject_id("voucherify", "balance", "crm", "v_1")


async def turn(redis: Client, key: str, at_ms: int) -> str:
    return await latest.take_turn(redis, SUBJECT, key=key, occurred_at_ms=at_ms)


async def end(redis: Client, key: str, at_ms: int, *, sent: bool = True) -> None:
    await latest.end_turn(redis, SUBJECT, key=key, occurred_at_ms=at_ms, sent=sent)


async def test_what_is_older_than_the_newest_that_was_notified_is_stale(redis: Client) -> None:
    assert await turn(redis, "new", 20) == "go"
    await end(redis, "new", 20)
    assert await turn(redis, "old", 10) == "stale"
    assert await turn(redis, "same time", 20) == "go"


async def test_two_of_one_subject_are_never_under_way_at_once(redis: Client) -> None:
    assert await turn(redis, "a", 10) == "go"
    assert await turn(redis, "b", 20) == "wait"
    await end(redis, "a", 10)
    assert await turn(redis, "b", 20) == "go"


async def test_subjects_do_not_wait_for_each_other(redis: Client) -> None:
    other = latest.subject_id("voucherify", "balance", "crm", "v_2")
    assert await turn(redis, "a", 10) == "go"
    assert await latest.take_turn(redis, other, key="b", occurred_at_ms=10) == "go"


async def test_a_notification_whose_worker_died_goes_again_at_once(redis: Client) -> None:
    assert [await turn(redis, "a", 10) for _ in range(2)] == ["go", "go"]


async def test_a_turn_ends_by_itself(redis: Client) -> None:
    assert await turn(redis, "a", 10) == "go"
    await redis.hset(KEYS.latest + SUBJECT, "until", 1)
    assert await turn(redis, "b", 20) == "go"


async def test_what_was_not_sent_makes_nothing_stale(redis: Client) -> None:
    assert await turn(redis, "new", 20) == "go"
    await end(redis, "new", 20, sent=False)
    assert await turn(redis, "old", 10) == "go"


async def test_the_end_of_a_turn_that_others_have_leaves_it_to_them(redis: Client) -> None:
    assert await turn(redis, "late", 10) == "go"
    await redis.hset(KEYS.latest + SUBJECT, "until", 1)
    assert await turn(redis, "next", 20) == "go"
    await end(redis, "late", 10)
    assert await turn(redis, "third", 30) == "wait"


async def test_what_is_remembered_is_forgotten_after_a_month(redis: Client) -> None:
    await turn(redis, "a", 10)
    await end(redis, "a", 10)
    assert 0 < await redis.ttl(KEYS.latest + SUBJECT) <= keys.LATEST_TTL_S
