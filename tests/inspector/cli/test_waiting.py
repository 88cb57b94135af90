"""The command `hookline waiting`."""

from __future__ import annotations

import json

from broker.redis.client import Client
from tests.inspector.cli.command_line import hookline
from tests.inspector.operations.waiting_notifications import worker_with_waiting
from tests.redis_server import RedisServer


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
