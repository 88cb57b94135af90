"""Filters, tables on terminals of any width, the audit log."""

import json

import pytest
from rich.cells import cell_len

from broker.redis.client import Client
from inspector.cli.tables import sparkline
from tests.inspector.cli.command_line import NOTIFYING, hookline, refused_by_crm
from tests.inspector.stack import (
    BROKEN,
    TO_CRM,
    accept,
    all_letters,
    crm,
    make_dead_letters,
    run_action,
    running_receiver,
    running_worker,
    sample,
    wait_until_idle,
)
from tests.redis_server import RedisServer

NASTY = "\x1b[31m顧客\t\n\u202eバウチャー" + "ポイント追加." * 40


FILTERS: list[tuple[tuple[str, ...], list[str]]] = [
    (("--source", "shop"), ["intake"]),
    (("--stage", "notify"), ["notify"]),
    (("--reason", "permanent"), ["notify"]),
    (("--error-class", "UnknownSource"), ["intake"]),
    (("--channel", "crm", "--rule", "to-crm"), ["notify"]),
    (("--event", "customer.voucher.loyalty_card.points_added"), ["notify"]),
    (("--min-attempts", "1"), ["notify"]),
    (("--max-attempts", "0"), ["intake"]),
    (("--since", "1h"), ["intake", "notify"]),
    (("--until", "1h"), []),
    (("--since", "2020-01-01", "--until", "2100-01-01T00:00Z"), ["intake", "notify"]),
    (("--search", json.loads(sample(1))["data"]["customer"]["email"].upper()), ["notify"]),
]


async def test_every_filter_narrows_the_list_and_the_action(redis_server: RedisServer, redis: Client) -> None:
    await refused_by_crm(redis_server, redis, 1)
    await make_dead_letters(redis_server, redis, sample(2), source="shop")

    for options, stages in FILTERS:
        result = await hookline(redis_server, "dead", "list", "--json", *options)
        tried = await hookline(redis_server, "dead", "replay", "--dry-run", "--json", *options)

        assert [letter["stage"] for letter in json.loads(result.stdout)] == stages, options
        assert json.loads(tried.stdout)["done"] == len(stages), options


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--since", "yesterday"), "--since"),
        (("--since", "1h", "--until", "2h"), "--until"),
        (("--min-attempts", "3", "--max-attempts", "2"), "--max-attempts"),
        (("--max-attempts", "-1"), "--max-attempts"),
        (("--stage", "nowhere"), "--stage"),
    ],
)
async def test_an_invalid_filter_is_a_usage_error(
    redis_server: RedisServer, options: tuple[str, ...], named: str
) -> None:
    result = await hookline(redis_server, "dead", "list", *options)

    assert result.exit_code == 2
    assert named in result.stderr


async def test_a_page_shows_the_total_and_how_to_continue(redis_server: RedisServer, redis: Client) -> None:
    await make_dead_letters(redis_server, redis, *(sample(number) for number in range(5)))

    first = await hookline(redis_server, "dead", "list", "--limit", "2", "--source", "absent")
    count, _, more = first.stderr.strip().partition("; to continue: hookline ")
    rest = await hookline(redis_server, *more.split(), "--limit", "5")

    assert count == "2 of 5"
    assert rest.stderr == "3 of 5\n"
    assert {letter.id for letter in await all_letters(redis)} == {
        word for shown in (first, rest) for word in shown.stdout.split() if len(word) == 17
    }


async def test_a_misspelt_value_is_answered_with_the_existing_ones(
    redis_server: RedisServer, redis: Client
) -> None:
    await make_dead_letters(redis_server, redis, sample(1), source="shop")

    result = await hookline(redis_server, "dead", "groups", "--source", "shoop")

    assert result.stderr == "no dead letter matches --source shoop; existing values: shop\n"


async def test_groups_take_filters_and_show_the_last_day(redis_server: RedisServer, redis: Client) -> None:
    await refused_by_crm(redis_server, redis, 1)
    await make_dead_letters(redis_server, redis, sample(2), sample(3))

    table = await hookline(redis_server, "dead", "groups", "--stage", "intake")
    (record,) = json.loads((await hookline(redis_server, "dead", "groups", "--stage", "intake", "--json")).stdout)

    assert "▁▁▁▁" in table.stdout
    assert "█" in table.stdout
    assert "notify" not in table.stdout
    assert (record["count"], sum(record["last_24_hours"])) == (2, 2)
    assert (await hookline(redis_server, "dead", "groups", "--search", "x")).exit_code == 2


async def test_groups_are_resolved_muted_assigned_and_noted(redis_server: RedisServer, redis: Client) -> None:
    await make_dead_letters(redis_server, redis, sample(2))
    (record,) = json.loads((await hookline(redis_server, "groups", "list", "--json")).stdout)
    name = record["fingerprint"]
    said = [
        (await hookline(redis_server, "groups", *words)).stdout
        for words in (
            ("mute", name, "--for", "3d"),
            ("assign", name, "crm team"),
            ("note", name, "--note", "ask ada@example.com"),
            ("resolve", name),
        )
    ]
    assert "".join(said) == (
        f"group {name} is muted for 3d\ngroup {name} is assigned to crm team\n"
        f"group {name} has this note\ngroup {name} is resolved\n"
    )

    shown = await hookline(redis_server, "groups", "show", name)
    (record,) = json.loads(
        (await hookline(redis_server, "groups", "list", "--state", "resolved", "--json")).stdout
    )
    none = await hookline(redis_server, "groups", "list", "--state", "open")

    assert "muted until 2" in shown.stdout and "assigned to crm team" in shown.stdout and "***" in shown.stdout
    assert record["state"]["name"] == "resolved" and record["state"]["resolved_by"].startswith("cli:")
    assert none.stderr == "no dead letter matches\n"
    assert (await hookline(redis_server, "groups", "reopen", name)).stdout == f"group {name} is open again\n"
    for words in (("mute", name, "--for", "soon"), ("assign", name, "ada@example.com")):
        assert (await hookline(redis_server, "groups", *words)).exit_code == 2
    unknown = await hookline(redis_server, "groups", "resolve", "0123456789ab")
    assert (unknown.exit_code, unknown.stderr) == (1, "there is no such group: no dead letter is in it\n")


def test_a_bar_distinguishes_zero_from_few() -> None:
    assert sparkline((0, 1, 50, 100)) == "▁▂▅█"
    assert sparkline((0, 0)) == "▁▁"


async def test_tables_with_any_content_fit_the_terminal(redis_server: RedisServer, redis: Client) -> None:
    await accept(redis, sample(1))
    async with (
        running_receiver() as refusing,
        running_worker(redis_server, rules=TO_CRM, channels=crm(refusing.url)),
    ):
        refusing.status, refusing.answer = 400, NASTY
        await wait_until_idle(redis)
    ids = [letter.id for letter in await all_letters(redis)]
    await make_dead_letters(redis_server, redis, BROKEN, sample(2), source="顧客" * 30, hint=NASTY)
    await hookline(redis_server, "dead", "annotate", "--all", "--yes", "--note", NASTY)
    await hookline(redis_server, "dead", "replay", "--event", NASTY, "--dry-run")
    (action, *_) = json.loads((await hookline(redis_server, "dead", "actions", "--json")).stdout)

    for columns in (60, 80, 120, 200):
        for words in (
            ("dead", "list"),
            ("dead", "groups"),
            ("dead", "show", ids[0]),
            ("dead", "actions"),
            ("dead", "actions", action["id"]),
            ("audit",),
        ):
            shown = await hookline(redis_server, *words, columns=columns)
            lines = shown.stdout.partition("\nbody, ")[0].splitlines()
            assert shown.exit_code == 0
            assert max(cell_len(line) for line in lines) <= columns, (columns, words)
            assert not {"\x1b", "\u202e"} & set(shown.stdout + shown.stderr), words


async def test_show_prints_what_a_replay_would_do_now_with_personal_data_masked(
    redis_server: RedisServer, redis: Client
) -> None:
    (letter_id,) = await refused_by_crm(redis_server, redis, 3)
    rule = {"name": "greet", "events": ["*"], "channel": "crm", "text": "Hello {{ customer.name }}"}
    renamed = {**rule, "name": "to-crm"}
    config = {**NOTIFYING, "rules": [renamed]}
    name = json.loads(sample(3))["data"]["customer"]["name"]

    shown = await hookline(redis_server, "dead", "show", letter_id, config=config)
    revealed = await hookline(redis_server, "dead", "show", letter_id, "--reveal", config=config)
    record = json.loads((await hookline(redis_server, "dead", "show", letter_id, "--json", config=config)).stdout)

    assert "would pass, 1 notification" in shown.stdout
    assert "Hello ***" in shown.stdout
    assert name not in shown.stdout
    assert f"Hello {name}" in revealed.stdout
    assert record["replay_now"]["passes"] is True
    assert [notification["text"] for notification in record["replay_now"]["notifications"]] == ["Hello ***"]
    assert record["group_letters"] == 1


async def test_show_hides_the_masked_paths_of_the_config(redis_server: RedisServer, redis: Client) -> None:
    (letter_id,) = await refused_by_crm(redis_server, redis, 1)
    config = {"inspector": {"masked_paths": ["**.balance"]}}

    shown = await hookline(redis_server, "dead", "show", letter_id, "--json", config=config)

    assert json.loads(shown.stdout)["body"]["data"]["balance"]["balance"] == "***"


async def test_every_reveal_is_in_the_audit_log(redis_server: RedisServer, redis: Client) -> None:
    await make_dead_letters(redis_server, redis, sample(1))
    (letter,) = await all_letters(redis)

    await hookline(redis_server, "dead", "show", letter.id)
    await hookline(redis_server, "dead", "show", letter.id, "--reveal")
    await hookline(redis_server, "dead", "show", letter.id, "--raw")
    await hookline(redis_server, "dead", "discard", letter.id, "--yes")
    audit_entries = json.loads((await hookline(redis_server, "audit", "--json")).stdout)

    assert [(audit_entry["what"], audit_entry["by"]) for audit_entry in audit_entries] == [
        ("discard", "cli:ann@desk"),
        ("reveal", "cli:ann@desk"),
        ("reveal", "cli:ann@desk"),
    ]
    assert {audit_entry["about"] for audit_entry in audit_entries} == {letter.id}


async def test_the_audit_log_is_paged(redis_server: RedisServer, redis: Client) -> None:
    await make_dead_letters(redis_server, redis, *(sample(number) for number in range(3)))
    for letter in await all_letters(redis):
        await run_action(redis, "discard", [letter.id])

    first = await hookline(redis_server, "audit", "--limit", "2")
    words = first.stderr.partition("to continue: hookline ")[2].split()
    rest = await hookline(redis_server, *words, "--json")

    assert first.stdout.count("discard") == 2
    assert len(json.loads(rest.stdout)) == 1
    assert (await hookline(redis_server, "audit", "--cursor", "x")).exit_code == 2
