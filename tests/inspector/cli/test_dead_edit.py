"""Replaying an edited copy from the command line."""

import json
import os
import pty
import subprocess
from pathlib import Path

from broker.redis.client import Client
from tests.inspector.cli.command_line import command, hookline
from tests.inspector.stack import BROKEN, all_letters, make_dead_letters, running_worker, sample, wait_until_idle
from tests.redis_server import RedisServer
from tests.subprocesses import running_program
from tests.until import until

WRONG = sample(1).replace(b'"points":40', b'"points":"40"', 1)


async def _wrong(server: RedisServer, redis: Client, body: bytes = WRONG) -> str:
    await make_dead_letters(server, redis, body, source="voucherify")
    (letter,) = await all_letters(redis)
    return letter.id


async def test_a_corrected_copy_is_replayed_and_the_letter_stays(
    redis_server: RedisServer, redis: Client, tmp_path: Path
) -> None:
    letter_id = await _wrong(redis_server, redis)
    corrected = tmp_path / "body.json"
    corrected.write_bytes(sample(1))

    sent = await hookline(redis_server, "dead", "edit", letter_id, "--file", str(corrected), "--yes")
    async with running_worker(redis_server):
        totals = await wait_until_idle(redis)
    shown = await hookline(redis_server, "dead", "show", letter_id)

    assert sent.exit_code == 0
    assert "would pass, 1 notification" in sent.stdout
    assert (totals.processed, totals.dead_at_intake) == (1, 1)
    assert totals.bodies_add_up()
    assert "cli:ann@desk: replayed an edited copy" in shown.stdout


async def test_a_copy_that_would_fail_is_sent_only_after_confirmation(
    redis_server: RedisServer, redis: Client
) -> None:
    letter_id = await _wrong(redis_server, redis)

    refused = await hookline(
        redis_server, "dead", "edit", letter_id, "--file", "-", "--yes", "--json", stdin=WRONG.decode()
    )

    record = json.loads(refused.stdout)
    assert refused.exit_code == 1
    assert (record["replayed"], record["replay_now"]["passes"]) == (False, False)
    assert record["replay_now"]["path"] == "$.data.balance.points"
    assert (await wait_until_idle(redis)).accepted == 1


async def test_an_edit_that_is_not_possible_is_reported(
    redis_server: RedisServer, redis: Client, tmp_path: Path
) -> None:
    letter_id = await _wrong(redis_server, redis, BROKEN)
    broken = tmp_path / "body.json"
    broken.write_bytes(BROKEN)

    no_json = await hookline(redis_server, "dead", "edit", letter_id, "--file", str(broken), "--yes")
    no_letter = await hookline(redis_server, "dead", "edit", "0" * 17, "--file", str(broken), "--yes")
    no_file = await hookline(redis_server, "dead", "edit", letter_id, "--file", "/nowhere", "--yes")
    no_terminal = await hookline(redis_server, "dead", "edit", letter_id, "--file", str(broken))
    no_editor = await hookline(redis_server, "dead", "edit", letter_id, "--yes")

    codes = [result.exit_code for result in (no_json, no_letter, no_file, no_terminal, no_editor)]
    assert codes == [1, 1, 2, 2, 2]
    assert "the edited body is not JSON" in no_json.stderr


async def test_on_a_terminal_the_editor_opens_and_the_replay_must_be_confirmed(
    redis_server: RedisServer, redis: Client
) -> None:
    letter_id = await _wrong(redis_server, redis)
    ours, theirs = pty.openpty()
    try:
        os.set_blocking(ours, False)
        output = bytearray()

        def asks() -> bool:
            try:
                output.extend(os.read(ours, 1000))
            except BlockingIOError:
                return False
            return b"Replay this copy?" in output

        async with running_program(
            *command(redis_server, "dead", "edit", letter_id),
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,
            env={**os.environ, "EDITOR": """sed -i 's/"40"/40/'""", "VISUAL": ""},
        ) as editing:
            await until(asks)
            os.write(ours, b"y\n")
            out, _ = await editing.communicate()
    finally:
        os.close(ours)
        os.close(theirs)
    audit_entries = json.loads((await hookline(redis_server, "audit", "--json")).stdout)

    assert editing.returncode == 0
    assert b"would pass" in out
    assert [audit_entry["what"] for audit_entry in audit_entries] == ["edit", "reveal"]
    assert len(await all_letters(redis)) == 1
