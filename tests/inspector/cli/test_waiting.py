"""The command `hookline waiting`."""

from __future__ import annotations

import json

from broker.monitoring import stats
from broker.redis.client import Client
from tests.inspector.cli.command_line import hookline
from tests.inspector.operations.waiting_notifications import worker_with_waiting
from tests.redis_server import RedisServer
from tests.until import until


async def test_the_list_says_for_what_each_notification_waits_and_filters_narrow_it(
    redis_server: RedisServer, redis: Client
) -> None:
    async with worker_with_waiting(redis_server, redis, 1, 2):
        pass
    text = " ".join((await hookline(redis_server, "waiting", "list", columns=160)).stdout.split())
    assert "its channel is paused; held for" in text
    assert "failing -> crm" in text and "attempt 2 in" in text and "answered 503" in text
    assert "quiet hours end in 1 h" in text
    assert "2 events in a digest, window ends in 23 h" in text
    everything = json.loads((await hookline(redis_server, "waiting", "list", "--json")).stdout)
    keys = {each["rule"]: each["key"] for each in everything["notifications"]}
    assert (len(everything["notifications"]), everything["cursor"]) == (7, "")
    for options, rules in (
        (("--cause", "retry"), ["failing", "failing"]),
        (("--cause", "queued"), []),
        (("--cause", "digest"), ["daily"]),
        (("--channel", "paused"), ["held", "held"]),
        (("--rule", "night", "--source", "voucherify"), ["night", "night"]),
        (("--source", "other"), []),
        (("--search", "MEMBER1@example.com", "--cause", "quiet_hours"), ["night"]),
        (("--search", "member9@example.com"), []),
        (("--search", keys["held"]), ["held"]),
    ):
        result = await hookline(redis_server, "waiting", "list", "--json", *options)
        assert [each["rule"] for each in json.loads(result.stdout)["notifications"]] == rules, options
    assert "member1" not in json.dumps(everything)


async def test_a_list_of_pages_has_each_notification_once(redis_server: RedisServer, redis: Client) -> None:
    async with worker_with_waiting(redis_server, redis, *range(5)):
        pass
    words, ids = ["waiting", "list", "--limit", "3"], []
    while words:
        page = await hookline(redis_server, *words, "--json")
        ids += [each["id"] for each in json.loads(page.stdout)["notifications"]]
        _, _, rest = page.stderr.partition("to continue: hookline ")
        words = rest.split()
    assert len(ids) == len(set(ids)) == 16
    result = await hookline(redis_server, "waiting", "list", "--cursor", "x")
    assert (result.exit_code, "--cursor" in result.stderr) == (2, True)


async def test_notifications_are_sent_now_or_cancelled_after_a_question(
    redis_server: RedisServer, redis: Client
) -> None:
    async with worker_with_waiting(redis_server, redis, 1) as receiver:
        page = json.loads((await hookline(redis_server, "waiting", "list", "--json")).stdout)
        ids = {each["cause"]: each["id"] for each in page["notifications"]}
        receiver.status = 200
        sent = await hookline(redis_server, "waiting", "send", ids["quiet_hours"])
        held = await hookline(redis_server, "waiting", "send", ids["paused"])
        assert (sent.exit_code, sent.stdout) == (0, f"{ids['quiet_hours']}: it is due now\n")
        assert held.exit_code == 1
        assert "its channel is paused" in held.stderr
        assert "hookline channel resume paused" in held.stderr

        async def is_sent() -> bool:
            return (await stats.read_totals(redis)).sent == 1

        await until(is_sent)
    asked = await hookline(redis_server, "waiting", "cancel", ids["paused"])
    assert (asked.exit_code, "--yes" in asked.stderr) == (2, True)
    done = await hookline(redis_server, "waiting", "cancel", "--yes", "--json", ids["paused"], ids["digest"])
    assert [result["outcome"] for result in json.loads(done.stdout)] == ["done", "digest"]
    assert done.exit_code == 1
    assert (await hookline(redis_server, "waiting", "send", "x")).exit_code == 2
    events = (await hookline(redis_server, "events", "--rule", "held", columns=140)).stdout
    assert "skipped: cancelled by cli:ann@desk" in " ".join(events.split())
