"""Actions over HTTP, which run in the process that serves the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from broker.redis.client import Client
from broker.redis.partitions import Partitions
from inspector.operations.status import read_status
from tests.inspector.api.calling import Caller, add_few, calling
from tests.inspector.stack import all_letters
from tests.redis_server import RedisServer
from tests.until import until


@pytest.fixture
async def api(redis_server: RedisServer, redis: Client) -> AsyncIterator[Caller]:
    await add_few(redis, 20)
    async with calling(redis_server) as caller:
        yield caller


async def ended(api: Caller, action: str) -> dict[str, Any]:
    async def end() -> dict[str, Any] | None:
        record: dict[str, Any] = (await api.get(f"/actions/{action}")).json
        return record if record["state"] == "done" else None

    return await until(end)


async def test_a_replay_takes_the_letters_that_the_filter_listed(api: Caller, redis: Client) -> None:
    seen = (await api.get("/dead", source="absent")).json
    order = {"verb": "replay", "filter": {"source": "absent"}, "expected_count": seen["count"]}

    begun = await api.post("/actions", {**order, "until_ms": seen["until_ms"]})

    assert (begun.status, begun.headers["Location"]) == (201, f"/api/v1/actions/{begun.json['id']}")
    assert (await ended(api, begun.json["id"]))["done"] == 20
    totals = (await read_status(Partitions([redis]))).totals
    assert (totals.replayed, totals.queued) == (20, 20)
    (audit_entry,) = (await api.get("/audit")).json["audit_entries"]
    assert (audit_entry["by"], audit_entry["what"], audit_entry["about"]) == (
        "ann",
        "replay",
        f"source=absent, until_ms={seen['until_ms']}",
    )


async def test_a_count_other_than_expected_changes_nothing(api: Caller, redis: Client) -> None:
    answer = await api.post("/actions", {"verb": "discard", "filter": {}, "expected_count": 19})

    assert (answer.status, answer.json["count"]) == (409, 20)
    assert len(await all_letters(redis)) == 20
    assert (await api.get("/actions")).json["actions"] == []


async def test_letters_that_died_after_the_listing_are_left_alone(api: Caller, redis: Client) -> None:
    seen = (await api.get("/dead")).json
    await add_few(redis, 1)
    order = {"verb": "discard", "filter": {}, "expected_count": 20, "until_ms": seen["until_ms"]}

    await ended(api, await api.action(order))

    assert len(await all_letters(redis)) == 1


async def test_letters_are_selected_by_their_ids(api: Caller, redis: Client) -> None:
    ids = [letter.id for letter in (await all_letters(redis))[:3]]

    noted = await ended(api, await api.action({"verb": "annotate", "ids": ids, "note": "seen by ada@example.com"}))
    masked_dry_run = await ended(api, await api.action({"verb": "dry_run", "ids": ids}))
    discarded = await ended(api, await api.action({"verb": "discard", "ids": [*ids, "0" * 17]}))

    assert (noted["done"], noted["ids"], noted["note"]) == (3, ids, "seen by ***")
    assert (masked_dry_run["failed"], masked_dry_run["why"][0]["count"]) == (3, 3)  # there is no source `absent`
    assert (discarded["done"], discarded["missing"]) == (3, 1)
    listed = (await api.get("/actions", limit=2)).json["actions"]
    assert [entry["verb"] for entry in listed] == ["discard", "dry_run"]


async def test_an_action_is_stopped_and_resumed(api: Caller, redis: Client) -> None:
    action = await api.action({"verb": "replay", "filter": {}, "rate_per_s": 10})
    assert (await api.post(f"/actions/{action}/resume")).status == 409
    assert (await api.post(f"/actions/{action}/stop")).json["state"] == "stopped"
    assert (await api.post(f"/actions/{action}/stop")).status == 409

    assert (await api.post(f"/actions/{action}/resume")).json["state"] == "running"

    assert (await ended(api, action))["done"] == 20
    assert (await read_status(Partitions([redis]))).totals.queued == 20
    audit_entries = (await api.get("/audit", limit=2)).json
    assert [entry["what"] for entry in audit_entries["audit_entries"]] == ["resume", "stop"]
    older = (await api.get("/audit", before=audit_entries["before"])).json
    assert ([entry["what"] for entry in older["audit_entries"]], older["before"]) == (["replay"], "")


async def test_answers_do_not_show_the_search_text(api: Caller) -> None:
    action = await api.action({"verb": "dry_run", "filter": {"search": "ada@example.com"}})

    for path in ("/actions", f"/actions/{action}", "/audit"):
        assert b"ada@example.com" not in (await api.get(path, by="bob")).content


WRONG: list[dict[str, object]] = [
    {},
    {"ids": ["0" * 17], "filter": {}},
    {"ids": []},
    {"ids": ["x"] * 10_001},
    {"ids": ["0" * 17], "expected_count": 1},
    {"ids": ["0" * 17], "until_ms": 1},
    {"filter": {"surce": "x"}},
    {"filter": {}, "rate_per_s": 0},
    {"filter": {}, "rate_per_s": -1},
    {"filter": {}, "expected_count": -1},
    {"filter": {}, "note": "x"},
    {"filter": {}, "verb": "annotate"},
    {"filter": {}, "verb": "annotate", "note": "x" * 2001},
    {"filter": {}, "verb": "burn"},
    {"filter": {}, "more": 1},
]


async def test_an_invalid_action_is_refused(api: Caller) -> None:
    for wrong in WRONG:
        assert (await api.post("/actions", {"verb": "discard", **wrong})).status == 400, wrong
    assert (await api.get("/actions")).json["actions"] == []


async def test_channels_are_paused_and_resumed(api: Caller) -> None:
    assert (await api.post("/channels/crm/pause")).json["state"] == "paused"
    assert (await api.post("/channels/crm/pause")).status == 200
    known = {entry["name"]: entry["state"] for entry in (await api.get("/channels")).json["channels"]}
    assert known == {"console": "closed", "crm": "paused"}
    assert (await api.post("/channels/crm/resume")).json["state"] == "closed"
    assert (await api.post("/channels/absent/pause")).status == 404
    assert [entry["what"] for entry in (await api.get("/audit")).json["audit_entries"]] == ["resume", "pause"]


async def test_an_invalid_position_in_the_audit_log_is_refused(api: Caller) -> None:
    for before in ("x", "-", "1-", "1-1%0a", "1-1\n", "9" * 16 + "-1"):
        assert (await api.get("/audit", before=before)).status == 400, before


async def test_status_equals_that_of_the_command_line(api: Caller) -> None:
    found = (await api.get("/status")).json

    assert (found["accepted"], found["dead_at_intake"], found["dead_letters"]) == (20, 20, 20)
    assert found["sources"][0]["name"] == "voucherify"
