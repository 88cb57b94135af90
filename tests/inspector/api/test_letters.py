"""Dead letters over HTTP."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import AsyncIterator

import pytest

from broker.dead_letters import unreadable_batch
from broker.monitoring import audit
from broker.redis.client import Client
from broker.redis.partitions import Partitions
from inspector.operations.status import read_status
from inspector.presentation.serializers import MAX_LEVELS
from tests.inspector.api.calling import Caller, add_few, add_many_kinds, as_base64, calling
from tests.inspector.stack import accept, add_stored, make_dead_letters, make_unreadable, sample
from tests.redis_server import RedisServer

CUSTOMERS = [json.loads(sample(number))["data"]["customer"] for number in (7, 8)]
PEOPLE = {customer["email"]: customer["name"] for customer in CUSTOMERS}
"""E-mail address -> name, of the people whose notifications died."""


@pytest.fixture
async def api(redis_server: RedisServer, redis: Client) -> AsyncIterator[Caller]:
    await add_many_kinds(redis_server, redis)
    async with calling(redis_server) as caller:
        yield caller


@pytest.fixture
async def quiet(redis_server: RedisServer, redis: Client) -> AsyncIterator[Caller]:
    await add_few(redis, 3)
    async with calling(redis_server) as caller:
        yield caller


async def audit_entries(redis: Client) -> list[tuple[str, str]]:
    return [(row.audit_entry.by, row.audit_entry.what) for row in await audit.read(redis)]


async def test_a_page_has_letters_their_count_and_the_next_cursor(api: Caller) -> None:
    first = (await api.get("/dead", source="absent", limit=3)).json
    second = (await api.get("/dead", source="absent", limit=3, cursor=first["cursor"])).json

    assert (len(first["letters"]), first["count"]) == (3, 5)
    assert (len(second["letters"]), second["count"], second["cursor"]) == (2, 5, "")
    assert not {letter["id"] for letter in first["letters"]} & {letter["id"] for letter in second["letters"]}


async def test_every_field_filters(api: Caller) -> None:
    letter = await api.first(stage="notify")
    for name in ("source", "stage", "reason", "error_class", "channel", "rule", "event", "fingerprint"):
        assert (await api.get("/dead", **{name: letter[name]})).json["count"] >= 1, name
        assert (await api.get("/dead", **{name: "no such value"})).json["count"] == 0, name
    assert (await api.get("/dead", min_attempts=1)).json["count"] == 2
    assert (await api.get("/dead", max_attempts=0)).json["count"] == 6
    assert (await api.get("/dead", since_ms=2**50)).json["count"] == 0
    assert (await api.get("/dead", until_ms=1)).json["count"] == 0
    assert (await api.get("/dead", search=letter["id"])).json["count"] == 1


async def test_choices_and_groups_list_the_existing_values(api: Caller) -> None:
    assert (await api.get("/dead/choices")).json["choices"]["stage"] == {"intake": 6, "notify": 2}
    groups = (await api.get("/dead/groups")).json["groups"]
    assert sorted(group["count"] for group in groups) == [1, 2, 5]
    assert len((await api.get("/dead/groups", stage="notify")).json["groups"]) == 1
    assert len((await api.get("/dead/groups", limit=2)).json["groups"]) == 2


async def test_a_group_is_resolved_muted_assigned_and_noted(api: Caller, redis: Client) -> None:
    group = (await api.get("/dead/groups", stage="notify")).json["groups"][0]
    assert group["state"]["name"] == "open"
    path = f"/dead/groups/{group['fingerprint']}"
    for verb, body in (
        ("mute", {"until_ms": 2**52 // 100}),
        ("assign", {"to": "crm team"}),
        ("note", {"note": "ask ada@example.com"}),
    ):
        assert (await api.post(f"{path}/{verb}", body)).status == 200, verb
    state = (await api.post(f"{path}/resolve", {})).json
    assert (state["name"], state["resolved_by"], state["assigned_to"]) == ("resolved", "ann", "crm team")
    assert "ada@" not in state["note"]
    assert (await api.get(path)).json["state"] == state
    resolved = (await api.get("/dead/groups", state="resolved")).json["groups"]
    assert [one["fingerprint"] for one in resolved] == [group["fingerprint"]]
    assert (await api.post(f"{path}/reopen", {})).json["name"] == "muted"
    assert (await api.post(f"{path}/unmute", {})).json["name"] == "open"
    assert (await api.post(f"{path}/mute", {"until_ms": 1})).status == 409
    assert (await api.post("/dead/groups/0123456789ab/resolve", {})).status == 404
    assert (await api.get("/dead/groups/0123456789ab")).status == 404
    assert (await api.post(f"{path}/resolve", {}, by="bob")).status == 403
    assert [what for _, what in await audit_entries(redis)] == [
        *("unmute", "reopen", "resolve", "annotate", "assign", "mute"),
    ]


async def test_a_letter_is_masked_unless_revealed_which_is_audited(api: Caller, redis: Client) -> None:
    letter = await api.first(stage="notify")
    path = f"/dead/{letter['id']}"

    masked = await api.get(path)
    assert await audit_entries(redis) == []
    revealed = await api.get(path, reveal="true")

    assert "ada@example.com" not in str(letter) + masked.content.decode()
    assert "body_base64" not in masked.json
    assert "ada@example.com" in revealed.content.decode()
    assert revealed.json["body"]["data"]["customer"]["email"] in PEOPLE
    assert len(b64decode(revealed.json["body_base64"])) == revealed.json["body_bytes"]
    assert await audit_entries(redis) == [("ann", "reveal")]


async def test_personal_data_needs_the_reveal_permission(api: Caller, redis: Client) -> None:
    letter = await api.first(stage="notify")
    path = f"/dead/{letter['id']}"

    for by in ("bob", "eve"):
        assert (await api.get(path, by=by, reveal="true")).status == 403
        assert (await api.get(f"{path}/dry-run", by=by, reveal="true")).status == 403
        assert (await api.get(f"{path}/body", by=by)).status == 403
        answers = [
            await api.get("/dead", by=by, search=next(iter(PEOPLE))),
            await api.get("/dead", by=by),
            await api.get("/dead/groups", by=by),
            await api.get(path, by=by),
            await api.get(f"{path}/dry-run", by=by),
        ]
        shown = b"".join(answer.content for answer in answers).decode()
        assert answers[0].json["count"] >= 1
        assert not [text for text in (*PEOPLE, *PEOPLE.values(), "ada@example.com") if text in shown]
    assert await audit_entries(redis) == []


async def test_a_download_has_the_exact_bytes(api: Caller, redis: Client) -> None:
    letter = await api.first(reason="undecodable", source="voucherify")

    answer = await api.get(f"/dead/{letter['id']}/body")

    assert answer.content == b'{"customer":'
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{letter["id"]}.bin"'
    assert await audit_entries(redis) == [("ann", "reveal")]


async def test_a_dry_run_shows_what_a_replay_would_do(api: Caller) -> None:
    letter = await api.first(stage="notify")
    broken = await api.first(source="voucherify", stage="intake")

    passes = (await api.get(f"/dead/{letter['id']}/dry-run")).json
    fails = (await api.get(f"/dead/{broken['id']}/dry-run")).json

    assert (passes["passes"], passes["notifications"][0]["channel"]) == (True, "crm")
    assert (fails["passes"], fails["reason"]) == (False, "undecodable")
    assert (await api.get("/dead")).json["count"] == 8


async def test_a_letter_is_replayed_with_another_body(api: Caller, redis: Client) -> None:
    letter = await api.first(source="voucherify", stage="intake")
    before = (await read_status(Partitions([redis]))).totals

    for body in ({"body": sample(9).decode()}, {"body_base64": as_base64(sample(9))}):
        assert (await api.post(f"/dead/{letter['id']}/edit", body)).status == 200

    after = (await read_status(Partitions([redis]))).totals
    assert (after.edited - before.edited, after.queued - before.queued) == (2, 2)
    assert (await api.get(f"/dead/{letter['id']}")).json["notes"][0]["by"] == "ann"
    assert await audit_entries(redis) == [("ann", "edit")] * 2


WRONG_EDITS: list[object] = [
    {},
    {"body": "x", "body_base64": "eA=="},
    {"body_base64": "x"},
    {"body_base64": "eA==\n"},
    {"body": ""},
    {"body": "x", "more": 1},
    {"body": 1},
    [],
    "x",
]


async def test_an_edit_must_be_one_body(api: Caller) -> None:
    letter = await api.first(source="voucherify", stage="intake")

    for body in WRONG_EDITS:
        assert (await api.post(f"/dead/{letter['id']}/edit", body)).status == 400, body


async def test_a_letter_of_several_webhooks_cannot_be_edited(redis_server: RedisServer, redis: Client) -> None:
    await add_stored(redis, [unreadable_batch(b"junk", 1, "cannot be unpacked")])
    async with calling(redis_server) as api:
        letter = await api.first()
        assert (await api.post(f"/dead/{letter['id']}/edit", {"body": "x"})).status == 409


async def test_a_body_that_is_nested_deeper_than_many_programs_can_read_is_shown_as_bytes_only(
    redis_server: RedisServer, redis: Client
) -> None:
    depths = (MAX_LEVELS, MAX_LEVELS + 1, 300, 900, 980, 1100, 100_000)
    bodies = {depth: b"[" * depth + b"]" * depth for depth in depths}
    await make_dead_letters(redis_server, redis, *bodies.values())
    async with calling(redis_server) as api:
        for letter in (await api.get("/dead")).json["letters"]:
            masked, revealed = [(await api.get(f"/dead/{letter['id']}", reveal=r)).json for r in ("false", "true")]
            body = b64decode(revealed["body_base64"])
            assert body in bodies.values()
            is_shown = len(body) == 2 * MAX_LEVELS
            assert (masked["body"] is not None, revealed["body"] is not None) == (is_shown, is_shown)


async def test_an_unknown_letter_id_is_not_found(quiet: Caller, redis: Client) -> None:
    for letter in ("0" * 17, "x", "%2f%2fevil", "..%2f..", "%0d%0aSet-Cookie:%20x=y", "%00", "é"):
        for path in (f"/dead/{letter}", f"/dead/{letter}/body", f"/dead/{letter}/dry-run"):
            answer = await quiet.get(path)
            assert answer.status == 404, path
            assert "Set-Cookie" not in answer.headers
        assert (await quiet.get(f"/dead/{letter}", reveal="true")).status == 404
        assert (await quiet.post(f"/dead/{letter}/edit", {"body": "x"})).status == 404
        for verb in ("stop", "resume"):
            assert (await quiet.post(f"/actions/{letter}/{verb}")).status == 404
    assert await audit_entries(redis) == []


WRONG_QUERIES: list[tuple[dict[str, object], str]] = [
    ({"surce": "x"}, "'surce'"),
    ({"limit": 0}, "limit"),
    ({"limit": 1001}, "limit"),
    ({"limit": "many"}, "limit"),
    ({"cursor": "1"}, "cursor"),
    ({"since_ms": -1}, "since_ms"),
    ({"until_ms": 2**53}, "until_ms"),
    ({"search": "x" * 501}, "search"),
]


async def test_an_invalid_query_is_answered_with_the_name_of_the_parameter(quiet: Caller) -> None:
    for query, expected in WRONG_QUERIES:
        answer = await quiet.get("/dead", **query)
        assert answer.status == 400, query
        assert expected in answer.json["error"]


async def test_the_longest_filter_is_taken(quiet: Caller) -> None:
    names = ("source", "stage", "reason", "error_class", "channel", "rule", "event", "fingerprint", "search")

    assert (await quiet.get("/dead", **dict.fromkeys(names, "📮" * 500))).json["count"] == 0


async def test_a_parameter_that_is_given_twice_is_refused(quiet: Caller) -> None:
    answer = await quiet.ask("GET", "/dead?source=a&source=b")

    assert (answer.status, "'source' is given twice" in answer.json["error"]) == (400, True)


async def test_the_count_and_the_page_are_from_the_same_moment(quiet: Caller, redis: Client) -> None:
    seen = (await quiet.get("/dead")).json
    await accept(redis, sample(1))

    assert seen["count"] == len(seen["letters"])
    assert all(int(letter["cursor"].partition("-")[0]) <= seen["until_ms"] for letter in seen["letters"])


async def test_a_letter_that_cannot_be_read_is_shown_as_such_and_has_no_body(redis: Client, quiet: Caller) -> None:
    lost = (await quiet.first())["id"]
    await make_unreadable(redis, lost)

    assert (await quiet.get("/dead")).json["count"] == 3
    shown = await quiet.get(f"/dead/{lost}")
    assert (shown.status, shown.json["stage"], shown.json["body"]) == (200, "unknown", None)
    assert "cannot read it" in shown.json["error"]
    assert (await quiet.get(f"/dead/{lost}/body")).status == 404
