"""Tests of the errors of a Redis at maxmemory."""

import pytest

from broker.queue import stream
from broker.queue.batch import RawBody
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation
from broker.redis.errors import Full


async def test_the_error_repeats_what_redis_said_and_shows_nothing_of_the_body(redis: Client) -> None:
    await stream.append(redis, [RawBody(1, "voucherify", "", b"{}")], Confirmation())
    await redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(Full) as error:
            await stream.append(redis, [RawBody(1, "voucherify", "", b'"Ada Novak"')], Confirmation())
    finally:
        await redis.config_set("maxmemory", 0)
    assert "maxmemory" in str(error.value)
    assert "Ada" not in str(error.value) and "EVALSHA" not in str(error.value)
