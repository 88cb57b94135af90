"""The commands that list and show dead letters."""

import json

from broker.redis.client import Client
from tests.inspector.cli.command_line import hookline, refused_by_crm
from tests.inspector.stack import (
    BROKEN,
    TO_CRM,
    accept,
    all_letters,
    crm,
    make_dead_letters,
    running_receiver,
    running_worker,
    sample,
    wait_until_idle,
)
from tests.redis_server import RedisServer


async def test_the_list_fits_80_columns_and_names_ids_and_groups(redis_server: RedisServer, redis: Client) -> None:
    await refused_by_crm(redis_server, redis, 1)
    await make_dead_letters(redis_server, redis, BROKEN, source="voucherify", hint="customer.rewarded")

    result = await hookline(redis_server, "dead", "list")

    assert result.exit_code == 0
    assert max(len(line) for line in result.stdout.splitlines()) <= 80
    for letter in await all_letters(redis):
        assert letter.id in result.stdout
        assert letter.fingerprint in result.stdout
    assert "(to-crm -> crm)" in result.stdout
    assert json.loads(sample(1))["data"]["customer"]["id"] in result.stdout
    assert "customer.voucher.loyalty_card.points_added" in result.stdout


async def test_list_as_json_is_one_array_to_page_through(redis_server: RedisServer, redis: Client) -> None:
    await make_dead_letters(redis_server, redis, *(sample(number) for number in range(3)))
    order = [letter.id for letter in await all_letters(redis)]

    first = await hookline(redis_server, "dead", "list", "--limit", "2", "--json")
    letters = json.loads(first.stdout)
    rest = await hookline(redis_server, "dead", "list", "--json", "--cursor", letters[-1]["cursor"])

    assert [letter["id"] for letter in letters + json.loads(rest.stdout)] == order
    assert letters[-1]["cursor"] in first.stderr
    assert letters[0]["reason"] == "unknown source"
    assert letters[0]["attempts"] == []


async def test_an_empty_list_is_an_empty_array(redis_server: RedisServer) -> None:
    result = await hookline(redis_server, "dead", "list", "--json", "--source", "shop")

    assert (result.exit_code, result.stdout) == (0, "[]\n")
    assert "no dead letter matches" in result.stderr


async def test_an_invalid_cursor_is_a_usage_error(redis_server: RedisServer) -> None:
    result = await hookline(redis_server, "dead", "list", "--cursor", "yesterday")

    assert result.exit_code == 2
    assert "--cursor" in result.stderr


async def test_groups_are_listed_with_their_counts(redis_server: RedisServer, redis: Client) -> None:
    await make_dead_letters(redis_server, redis, sample(1), sample(2))
    fingerprint = (await all_letters(redis))[0].fingerprint

    table = await hookline(redis_server, "dead", "groups")
    record = json.loads((await hookline(redis_server, "dead", "groups", "--json")).stdout)
    members = json.loads((await hookline(redis_server, "dead", "list", "--group", fingerprint, "--json")).stdout)

    assert fingerprint in table.stdout
    assert [(group["fingerprint"], group["count"]) for group in record] == [(fingerprint, 2)]
    assert len(members) == 2


async def test_show_prints_every_attempt_and_masks_personal_data(redis_server: RedisServer, redis: Client) -> None:
    (letter_id,) = await refused_by_crm(redis_server, redis, 3)

    shown = (await hookline(redis_server, "dead", "show", letter_id)).stdout
    revealed = (await hookline(redis_server, "dead", "show", letter_id, "--reveal")).stdout

    assert "answered 400" in shown
    assert "we know no ***" in shown
    assert '"points": 40' in shown
    name = json.loads(sample(3))["data"]["customer"]["name"]
    assert name not in shown
    assert name in revealed
    assert "we know no ada@example.com" in revealed


async def test_show_prints_the_exact_bytes_of_the_body(redis_server: RedisServer, redis: Client) -> None:
    body = b'{ "customer":\r\n\xff\x00'
    await make_dead_letters(redis_server, redis, body)
    (letter,) = await all_letters(redis)

    raw = await hookline(redis_server, "dead", "show", letter.id, "--raw")
    pretty = await hookline(redis_server, "dead", "show", letter.id)
    revealed = await hookline(redis_server, "dead", "show", letter.id, "--reveal")

    assert raw.stdout_bytes == body
    assert "customer" not in pretty.stdout
    assert "\\xff\\x00" in revealed.stdout


async def test_show_names_the_place_in_the_payload(redis_server: RedisServer, redis: Client) -> None:
    await make_dead_letters(
        redis_server, redis, sample(1).replace(b'"points":40', b'"points":"40"', 1), source="voucherify"
    )
    (letter,) = await all_letters(redis)

    shown = (await hookline(redis_server, "dead", "show", letter.id)).stdout
    record = json.loads((await hookline(redis_server, "dead", "show", letter.id, "--json")).stdout)

    assert "$.data.balance.points" in shown
    assert [line for line in shown.splitlines() if line.startswith("->")] == ['->       "points": "40",']
    assert (record["path"], record["error_class"]) == ("$.data.balance.points", "DecodeError")
    assert record["body"]["data"]["customer"]["name"] == "***"
    assert "body_base64" not in record


async def test_show_names_the_place_where_a_body_stops_being_json(
    redis_server: RedisServer, redis: Client
) -> None:
    await make_dead_letters(redis_server, redis, b'{"points":40,\n"name":Ada}', source="voucherify")
    (letter,) = await all_letters(redis)

    masked = (await hookline(redis_server, "dead", "show", letter.id)).stdout
    revealed = (await hookline(redis_server, "dead", "show", letter.id, "--reveal")).stdout

    assert "Ada" not in masked
    assert "->" not in masked
    assert revealed.endswith('not JSON:\n   {"points":40,\n   "name":\n-> Ada}\n')


async def test_received_text_cannot_control_the_terminal(redis_server: RedisServer, redis: Client) -> None:
    await accept(redis, sample(1))
    async with (
        running_receiver() as refusing,
        running_worker(redis_server, rules=TO_CRM, channels=crm(refusing.url)),
    ):
        refusing.status, refusing.answer = 400, "\x1b[2J"
        await wait_until_idle(redis)
    await make_dead_letters(redis_server, redis, b"\x1b]0;\x07", hint="\x1b[31mred")

    for letter in await all_letters(redis):
        shown = await hookline(redis_server, "dead", "show", letter.id, "--reveal")
        assert "\\x1b" in shown.stdout
        assert "\x1b" not in shown.stdout
    assert "\x1b" not in (await hookline(redis_server, "dead", "list")).stdout


async def test_an_unknown_id_ends_with_1(redis_server: RedisServer) -> None:
    shown = await hookline(redis_server, "dead", "show", "0" * 17)
    replayed = await hookline(redis_server, "dead", "replay", "0" * 17, "--json")
    filtered = await hookline(redis_server, "dead", "replay", "--source", "shop", "--yes", "--json")

    assert (shown.exit_code, shown.stdout) == (1, "")
    record = json.loads(replayed.stdout)
    assert (replayed.exit_code, record["selected"], record["done"], record["missing"]) == (1, 1, 0, 1)
    assert (filtered.exit_code, json.loads(filtered.stdout)) == (1, {"selected": 0, "done": 0, "missing": 0})
