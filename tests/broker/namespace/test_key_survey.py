"""The survey of keys, on a real Redis."""

from __future__ import annotations

import pytest

from broker.namespace.key_survey import kind_of, survey_keys
from broker.redis.client import Client
from tests.names import KEYS

PREFIX = KEYS.prefix


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("queue", "queue"),
        ("queue2", ""),
        ("job:0abc.64", "job"),
        ("job:", ""),
        ("dedupe:shop:20000:7", "dedupe"),
        ("dead:0abc", "dead"),
        ("dead:notes:0abc", "dead_notes"),
        ("dead:by:0 a", "dead_by"),
        ("dead:mine:0abc", ""),
        ("dead:find:key", "dead_find_key"),
        ("stats:total", "stats_total"),
        ("stats:29930123", "stats_minute"),
        ("stats:mine", ""),
        ("set-aside:17:queue", "set_aside_of"),
    ],
)
def test_a_key_is_explained_by_the_longest_name(key: str, kind: str) -> None:
    assert kind_of(KEYS, PREFIX + key) == kind


def test_every_name_explains_its_own_keys() -> None:
    for field, name in vars(KEYS).items():
        if field != "prefix":
            assert kind_of(KEYS, name + "1" if name.endswith(":") else name) == field


async def test_it_names_keys_that_need_attention_and_counts_all(redis: Client) -> None:
    await redis.set(PREFIX + "mine\xff", "x")
    await redis.set(KEYS.health + "worker", "x")
    await redis.set(KEYS.health + "other", "x", ex=60)
    await redis.set(KEYS.held_ms + "gone.1", "5")
    await redis.set(KEYS.held_ms + "here.1", "5")
    await redis.set(KEYS.job + "here.1", "job")
    await redis.set("elsewhere", "x")

    survey = await survey_keys(redis)

    assert survey.unexplained == ((PREFIX + "mine\xff").encode(),)
    assert survey.endless == ((KEYS.health + "worker").encode(),)
    assert survey.ownerless == ((KEYS.held_ms + "gone.1").encode(),)
    assert survey.job_ids == (b"here.1",)
    assert (survey.examined, survey.is_complete) == (6, True)


async def test_it_ends_after_its_steps_and_says_so(redis: Client) -> None:
    await redis.mset({f"{PREFIX}mine{number}": "x" for number in range(5000)})

    survey = await survey_keys(redis, most_steps=2)

    assert not survey.is_complete
    assert 1000 <= survey.examined < 5000
    assert await redis.ping()
