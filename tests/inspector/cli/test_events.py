"""The command `hookline events`."""

import asyncio
import itertools
import json

from broker.queue import channel_state
from broker.redis.client import Client
from tests.inspector.cli.command_line import command, hookline, refused_by_crm
from tests.inspector.stack import TO_CRM, accept, running_worker, sample, wait_until_idle
from tests.names import KEYS
from tests.redis_server import RedisServer
from tests.until import until


async def test_a_dead_notification_is_found_by_an_address_and_masks_it(
    redis_server: RedisServer, redis: Client
) -> None:
    [letter] = await refused_by_crm(redis_server, redis, 1)
    result = await hookline(redis_server, "events", "--search", "MEMBER1@example.com", columns=140)
    assert result.exit_code == 0
    assert "to-crm -> crm: dead" in result.stdout
    assert "answered 400, dead letter" in result.stdout and letter in result.stdout
    assert json.loads(sample(1))["data"]["customer"]["id"] in result.stdout
    assert "member1" not in result.stdout


async def test_the_key_of_a_notification_finds_its_event_and_its_dead_letter(
    redis_server: RedisServer, redis: Client
) -> None:
    [letter] = await refused_by_crm(redis_server, redis, 1)
    [event] = json.loads((await hookline(redis_server, "events", "--json")).stdout)["events"]
    key = event["notifications"][0]["key"]
    found = json.loads((await hookline(redis_server, "events", "--json", "--search", key)).stdout)
    assert [each["position"] for each in found["events"]] == [event["position"]]
    letters = json.loads((await hookline(redis_server, "dead", "list", "--json", "--search", key)).stdout)
    assert [each["id"] for each in letters] == [letter]


async def test_json_has_each_attempt(redis_server: RedisServer, redis: Client) -> None:
    [letter] = await refused_by_crm(redis_server, redis, 1)
    page = json.loads((await hookline(redis_server, "events", "--json")).stdout)
    [event] = page["events"]
    assert (event["source"], event["states"], page["cursor"]) == ("voucherify", ["dead"], "")
    [notification] = event["notifications"]
    [attempt] = notification["attempts"]
    assert (attempt["outcome"], attempt["status"], attempt["dead_letter"]) == ("dead", 400, letter)


async def test_each_filter_narrows_the_list(redis_server: RedisServer, redis: Client) -> None:
    await refused_by_crm(redis_server, redis, 1)
    for options, count in (
        (("--state", "dead"), 1),
        (("--state", "sent"), 0),
        (("--rule", "to-crm", "--channel", "crm", "--source", "voucherify"), 1),
        (("--event", "other"), 0),
        (("--since", "1h"), 1),
        (("--until", "1h"), 0),
        (("--search", "crm-00000001"), 1),
        (("--search", "crm-00000002"), 0),
    ):
        result = await hookline(redis_server, "events", "--json", *options)
        assert len(json.loads(result.stdout)["events"]) == count, options


async def test_a_notification_of_a_paused_channel_is_held(redis_server: RedisServer, redis: Client) -> None:
    await channel_state.pause(redis, "crm", by="ann")
    await accept(redis, sample(1))

    async with running_worker(redis_server, rules=TO_CRM):
        await until(lambda: redis.exists(KEYS.history))
    assert "to-crm -> crm: held" in (await hookline(redis_server, "events", columns=140)).stdout


async def test_a_list_says_how_to_continue_it(redis_server: RedisServer, redis: Client) -> None:
    await accept(redis, sample(1), sample(2))
    async with running_worker(redis_server):
        await wait_until_idle(redis)
    first = await hookline(redis_server, "events", "--source", "voucherify", "--limit", "1")
    assert "no rule matched" in first.stdout
    words = first.stderr.split("to continue: hookline ")[1].split()
    assert words[:3] == ["events", "--source", "voucherify"]
    rest = await hookline(redis_server, *words, "--json")
    assert [len(json.loads(rest.stdout)["events"])] == [1]


async def test_a_cursor_or_time_that_is_none_is_a_usage_error(redis_server: RedisServer) -> None:
    for options in (("--cursor", "x"), ("--since", "yesterday"), ("--state", "lost")):
        result = await hookline(redis_server, "events", *options)
        assert result.exit_code == 2
        assert options[0] in result.stderr


async def test_follow_shows_new_events(redis_server: RedisServer, redis: Client) -> None:
    await accept(redis, sample(1))
    async with running_worker(redis_server):
        await wait_until_idle(redis)
        process = await asyncio.create_subprocess_exec(
            *command(redis_server, "events", "--follow", "--json"), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        reading = asyncio.create_task(process.stdout.readline())
        numbers = itertools.count(2)

        async def is_shown() -> bool:  # it shows what comes after it has started
            await accept(redis, sample(next(numbers)))
            return reading.done()

        try:
            await until(is_shown)
        finally:
            process.kill()
            await process.wait()
    event = json.loads(await reading)
    assert (event["states"], event["id"].rpartition("_")[2] != "1") == (["unmatched"], True)
