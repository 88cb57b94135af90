"""Commands, pages and API show the dead letters of all partitions, and name a partition that is away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from broker.redis.errors import Unavailable
from broker.redis.partitions import Partitions
from tests.inspector.cli.command_line import hookline
from tests.inspector.partitions.letters import NOW_MS, add, assert_sums_hold, in_each, refused, spread
from tests.inspector.web.serving import TOKEN, USERS, serving
from tests.inspector.web.test_overview import words
from tests.redis_server import RedisServer
from tests.redis_users import user_url
from tests.until import until

INCOMPLETE = "partition 1 is away, so this is incomplete"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def without_partition_1(redis_server: RedisServer) -> str:
    """Return the URL of a user who may not use partition 1."""
    return user_url(redis_server, "+@all", "~{hookline:0}:*", "~{hookline:2}:*")


async def run(url: str, *arguments: str, stdin: str = "") -> Any:
    return await hookline(url, *arguments, partitions=3, stdin=stdin)


async def test_commands_work_on_all_partitions(
    redis_server: RedisServer, three_partitions: Partitions, tmp_path: Path
) -> None:
    ids = await spread(three_partitions, 9)
    url, file = redis_server.url, str(tmp_path / "letters.jsonl")
    listed = await run(url, "dead", "list", "--limit", "4", "--json")
    assert [letter["id"] for letter in json.loads(listed.stdout)] == ids[:4]
    groups = json.loads((await run(url, "dead", "groups", "--json")).stdout)
    assert [group["count"] for group in groups] == [5, 4]
    assert (await run(url, "dead", "show", ids[1], "--json")).exit_code == 0
    assert (await run(url, "dead", "export", "--file", file)).exit_code == 0

    discarded = await run(url, "dead", "discard", "--all", "--yes")
    assert (discarded.exit_code, discarded.stdout) == (0, "discarded 9 of 9 dead letters\n")
    [action] = json.loads((await run(url, "dead", "actions", "--json")).stdout)
    assert (action["state"], action["selected"], action["done"]) == ("done", 9, 9)
    assert (await run(url, "dead", "resume", action["id"])).exit_code == 1

    imported = await run(url, "dead", "import", file, "--json")
    assert json.loads(imported.stdout)["imported"] == 9
    assert sum(await in_each(three_partitions)) == 9
    await assert_sums_hold(three_partitions)


async def test_commands_name_a_partition_that_is_away_and_fail(
    three_partitions: Partitions, without_partition_1: str
) -> None:
    ids = await spread(three_partitions, 6)
    url = without_partition_1
    listed = await run(url, "dead", "list", "--json")
    assert [letter["id"] for letter in json.loads(listed.stdout)] == [ids[0], ids[2], ids[3], ids[5]]
    for result in (listed, await run(url, "dead", "groups"), await run(url, "dead", "actions")):
        assert result.exit_code == 1
        assert INCOMPLETE in result.stderr
    # The letter may be there.
    with pytest.raises(Unavailable, match="partition 1 is away, and the dead letter may be there"):
        await run(url, "dead", "show", ids[1])
    assert (await run(url, "dead", "show", ids[0])).exit_code == 0

    exported = await run(url, "dead", "export")
    assert (exported.exit_code, INCOMPLETE in exported.stderr) == (1, True)
    annotated = await run(url, "dead", "annotate", "--all", "--note", "checked", "--yes")
    assert (annotated.exit_code, annotated.stdout) == (1, "annotated 4 of 4 dead letters\n")
    assert "partition 1 is away, so its letters are not selected" in annotated.stderr

    forgotten = await run(url, "forget", "--email", "ada@example.com", "--yes", "--json")
    assert (forgotten.exit_code, list(json.loads(forgotten.stdout)["away"])) == (1, ["1"])
    text = " ".join((await run(url, "forget", "--email", "ada@example.com", "--yes")).stdout.split())
    assert "partition 1 is away, so nothing more was removed there; the rest is done; run it again" in text


async def test_pages_and_api_name_a_partition_that_is_away(
    spread_partitions: Partitions, own_redis: RedisServer
) -> None:
    ids = await spread(spread_partitions, 6)
    own_redis.kill()
    async with serving(partitions=spread_partitions, users=USERS) as served, served.browser() as browser:
        await browser.log_in()
        for path in ("/dead", "/groups", "/actions", f"/dead?search={ids[0]}"):
            assert INCOMPLETE in words((await browser.get(path)).text), path
        unknown = await browser.get(f"/dead/{ids[1]}")
        assert (unknown.status, "the dead letter may be there" in unknown.text) == (503, True)
        listed = await browser.get("/dead")
        form = {"csrf": listed.csrf, "scope": "all", "verb": "discard"}
        preview = await browser.post("/dead/preview", form)
        assert "Discard: 4 letters?" in words(preview.text) and INCOMPLETE in words(preview.text)
        assert (await browser.post("/dead/export", {"csrf": listed.csrf})).status == 503

        for path, name in (("dead", "letters"), ("dead/groups", "groups"), ("actions", "actions")):
            answer = json.loads((await browser.get(f"/api/v1/{path}", headers=HEADERS)).text)
            assert answer["incomplete"].startswith(INCOMPLETE), path
            assert name in answer
        request = {"verb": "discard", "filter": {}, "expected_count": 4}
        begun = await browser.ask("POST", "/api/v1/actions", json=request, headers=HEADERS)
        assert (begun.status, json.loads(begun.text)["incomplete"][:9]) == (201, "partition")
        action = json.loads(begun.text)["id"]

        async def is_done() -> bool:
            answer = await browser.get(f"/api/v1/actions/{action}", headers=HEADERS)
            return json.loads(answer.text)["state"] == "done"

        assert await until(is_done)
        by_id = {"verb": "discard", "ids": [ids[1]]}
        refusal = await browser.ask("POST", "/api/v1/actions", json=by_id, headers=HEADERS)
        assert (refusal.status, "nothing was done" in refusal.text) == (503, True)


async def test_the_page_of_an_action_shows_all_of_its_parts(three_partitions: Partitions) -> None:
    ids = await spread(three_partitions, 3)
    await add(three_partitions[0], [refused(1)], [NOW_MS])
    async with serving(partitions=three_partitions, users=USERS) as served, served.browser() as browser:
        await browser.log_in()
        listed = await browser.get("/dead")
        form = {"csrf": listed.csrf, "scope": "all", "verb": "discard", "count": "4", "sure": "yes"}
        begun = await browser.post("/dead/begin", form)
        assert begun.status in (302, 303), begun.text
        page = begun.headers["Location"]

        async def shown() -> bool:
            text = words((await browser.get(page)).text)
            return "4 of 4 discarded" in text and "done" in text

        assert await until(shown)
        assert (await browser.get(f"/dead/{ids[0]}")).status == 404
