"""Tests that a namespace belongs to one installation, with a real Redis."""

from collections.abc import Sequence

import pytest

from broker.namespace.installation import Sender, claim
from broker.redis.client import Client
from broker.redis.connection import Settings, connect

SHOP = Sender("shop", "voucherify", (b"one",))
POS = Sender("pos", "voucherify", (b"two",))


async def conflicts(redis: Client, senders: Sequence[Sender], *, accept: bool = False) -> list[str]:
    """Claim the namespace, and return the sources that speak against it."""
    return list((await claim(redis, senders, accept=accept)).against)


@pytest.mark.parametrize(
    "changed",
    [
        [SHOP],
        [SHOP, POS],
        [Sender("shop", "voucherify", (b"one", b"new"))],
        [Sender("shop", "voucherify", ())],
        [POS, SHOP],
    ],
    ids=["the same", "one more source", "one more secret", "a process without secrets", "another order"],
)
async def test_a_config_change_that_keeps_a_source_is_accepted(redis: Client, changed: list[Sender]) -> None:
    assert await conflicts(redis, [SHOP]) == []
    assert await conflicts(redis, changed) == []
    assert await conflicts(redis, [SHOP]) == []


@pytest.mark.parametrize(
    ("other", "against"),
    [
        ([POS], ["shop"]),
        ([Sender("shop", "voucherify", (b"staging",))], ["shop"]),
        ([Sender("shop", "stripe", (b"one",))], ["shop"]),
        ([], ["shop"]),
    ],
    ids=["other sources", "other secrets", "another kind", "none"],
)
async def test_another_installation_is_refused_until_it_is_accepted(
    redis: Client, other: list[Sender], against: list[str]
) -> None:
    assert await conflicts(redis, [SHOP]) == []
    assert await conflicts(redis, other) == against
    assert await conflicts(redis, [SHOP]) == []
    assert await conflicts(redis, other, accept=True) == []
    assert await conflicts(redis, other) == []


async def test_secrets_are_rotated_step_by_step(redis: Client) -> None:
    for secrets in ((b"one",), (b"one", b"two"), (), (b"two",), (b"two", b"three"), (b"three",)):
        assert await conflicts(redis, [Sender("shop", "voucherify", secrets)]) == []
    assert await conflicts(redis, [SHOP]) == ["shop"]


async def test_each_namespace_has_its_own_installation(redis: Client, redis_server: object) -> None:
    url = redis_server.url  # type: ignore[attr-defined]
    other = connect(Settings(url=url, namespace="staging"))
    try:
        assert await conflicts(redis, [SHOP]) == []
        assert await conflicts(other, [POS]) == []
    finally:
        await other.aclose()


async def test_stored_values_reveal_no_secret(redis: Client) -> None:
    await claim(redis, [Sender("shop", "voucherify", (b"a-signing-secret",))])
    kept = b"".join(await redis.hvals(redis.names.installation))  # type: ignore[misc]
    assert b"a-signing-secret" not in kept
    assert len(kept) < 40
