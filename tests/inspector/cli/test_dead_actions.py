"""Actions on the command line: dry run, rate limit, stop, kill and resume."""

import json
import signal
import subprocess
from asyncio.subprocess import Process
from contextlib import AbstractAsyncContextManager

from broker.dead_letters import stored_actions
from broker.dead_letters.action import Action
from broker.redis.client import Client
from tests.inspector.cli.command_line import command, hookline, refused_by_crm
from tests.inspector.stack import all_letters, make_dead_letters, running_worker, sample, wait_until_idle
from tests.names import KEYS
from tests.redis_server import RedisServer
from tests.subprocesses import running_program
from tests.until import until

MANY = 120
RATE = "20/s"
"""A replay takes six seconds, so that a test can interrupt it even on a busy machine."""


async def test_a_dry_run_shows_what_would_fail_and_why_and_changes_nothing(
    redis_server: RedisServer, redis: Client
) -> None:
    await refused_by_crm(redis_server, redis, 1, 2)
    await make_dead_letters(redis_server, redis, sample(3))
    before = [letter.id for letter in await all_letters(redis)]

    dry_run = await hookline(redis_server, "dead", "replay", "--all", "--dry-run")
    good = await hookline(redis_server, "dead", "replay", "--stage", "notify", "--dry-run", "--json")

    assert dry_run.exit_code == 1
    assert dry_run.stdout.startswith("2 would pass, 1 would fail\n")
    assert "no source named 'absent'" in dry_run.stdout
    assert (good.exit_code, json.loads(good.stdout)["passed"]) == (0, 2)
    assert [letter.id for letter in await all_letters(redis)] == before


async def test_a_note_is_shown_with_its_author(redis_server: RedisServer, redis: Client) -> None:
    await make_dead_letters(redis_server, redis, sample(1), sample(2))
    first, second = [letter.id for letter in await all_letters(redis)]

    noted = await hookline(redis_server, "dead", "annotate", first, "--note", "the CRM team knows")
    shown = await hookline(redis_server, "dead", "show", first)

    assert (noted.exit_code, noted.stdout) == (0, "annotated 1 of 1 dead letter\n")
    assert "cli:ann@desk: the CRM team knows" in shown.stdout
    assert "the CRM team knows" not in (await hookline(redis_server, "dead", "show", second)).stdout
    assert (await hookline(redis_server, "dead", "annotate", first, "--note", " ")).exit_code == 2
    assert (await hookline(redis_server, "dead", "annotate", first)).exit_code == 2


async def test_ctrl_c_stops_cleanly_and_resume_continues(redis_server: RedisServer, redis: Client) -> None:
    await make_dead_letters(redis_server, redis, *(sample(number) for number in range(MANY)))
    async with _replaying(redis_server, rate=RATE) as replaying:
        action = await _under_way(redis)

        replaying.send_signal(signal.SIGINT)
        out, err = (stream.decode() for stream in await replaying.communicate())
    stopped = await stored_actions.read(redis, action)
    assert stopped
    resumed = await hookline(redis_server, "dead", "resume", action)

    assert replaying.returncode == 130
    assert (stopped.state, 0 < stopped.done < MANY) == ("stopped", True)
    assert out == f"replayed {stopped.done} of {MANY} dead letters, {MANY - stopped.done} left unchanged\n"
    assert f"to continue: hookline dead resume {action}" in err
    assert (resumed.exit_code, resumed.stdout) == (0, f"replayed {MANY} of {MANY} dead letters\n")
    assert (await hookline(redis_server, "dead", "resume", action)).exit_code == 1


async def test_a_killed_replay_is_resumed_and_nothing_is_lost_or_doubled(
    redis_server: RedisServer, redis: Client
) -> None:
    await make_dead_letters(redis_server, redis, *(sample(number) for number in range(MANY)))
    async with _replaying(redis_server, rate=RATE) as replaying:
        action = await _under_way(redis)

        replaying.kill()
    await redis.hset(KEYS.action + action, "lease_until_ms", 1)  # as if ten seconds had passed
    listed = await hookline(redis_server, "dead", "actions")
    (record,) = json.loads((await hookline(redis_server, "dead", "actions", "--json")).stdout)
    left = len(await all_letters(redis))
    resumed = await hookline(redis_server, "dead", "resume", action, "--json")
    async with running_worker(redis_server, sources=("absent",)):
        totals = await wait_until_idle(redis)

    assert "interrupted" in listed.stdout
    assert f"hookline dead resume {action}" in listed.stderr
    assert (record["state"], record["done"]) == ("interrupted", MANY - left)
    assert 0 < left < MANY
    ended = json.loads(resumed.stdout)
    assert (resumed.exit_code, ended["state"], ended["done"]) == (0, "done", MANY)
    assert (totals.replayed, totals.processed, totals.duplicate, totals.dead_at_intake) == (MANY, MANY, 0, 0)
    assert totals.bodies_add_up()
    assert await all_letters(redis) == []


async def test_an_action_that_another_process_runs_can_be_stopped_but_not_resumed(
    redis_server: RedisServer, redis: Client
) -> None:
    await make_dead_letters(redis_server, redis, *(sample(number) for number in range(MANY)))
    async with _replaying(redis_server, rate="10/s") as replaying:
        action = await _under_way(redis)

        refused = await hookline(redis_server, "dead", "resume", action)
        stopped = await hookline(redis_server, "dead", "stop", action)
        out, err = await replaying.communicate()

    assert (refused.exit_code, stopped.exit_code) == (1, 0)
    assert f"hookline dead stop {action}" in refused.stderr
    assert replaying.returncode == 1
    assert b"left unchanged" in out
    assert b"hookline dead resume" in err
    assert (await hookline(redis_server, "dead", "stop", action)).exit_code == 1


async def test_an_action_is_described_in_words(redis_server: RedisServer, redis: Client) -> None:
    await refused_by_crm(redis_server, redis, 1)
    await hookline(redis_server, "dead", "list")
    await hookline(redis_server, "dead", "replay", "--channel", "crm", "--search", "ada@example.com", "--yes")
    await hookline(redis_server, "dead", "discard", "--channel", "crm", "--rate", "600/min", "--yes")

    listed = await hookline(redis_server, "dead", "actions", columns=120)
    (record,) = json.loads((await hookline(redis_server, "dead", "actions", "--json")).stdout)
    shown_action = await hookline(redis_server, "dead", "actions", record["id"])

    assert "discard: dead letters for channel crm" in listed.stdout
    assert "1 of 1, by cli:ann@desk" in listed.stdout
    assert record["rate_per_s"] == 10.0
    assert "10/s" in shown_action.stdout
    assert json.loads((await hookline(redis_server, "dead", "actions", record["id"], "--json")).stdout) == record


async def test_an_unknown_action_ends_with_1(redis_server: RedisServer) -> None:
    for verb in ("actions", "stop", "resume"):
        result = await hookline(redis_server, "dead", verb, "0" * 17)
        assert (result.exit_code, result.stdout) == (1, "")
    assert (await hookline(redis_server, "dead", "actions")).exit_code == 0


async def test_an_invalid_rate_is_a_usage_error(redis_server: RedisServer) -> None:
    result = await hookline(redis_server, "dead", "replay", "--all", "--yes", "--rate", "fast")

    assert result.exit_code == 2
    assert "--rate" in result.stderr


def _replaying(server: RedisServer, *, rate: str) -> AbstractAsyncContextManager[Process]:
    replay = command(server, "dead", "replay", "--all", "--yes", "--rate", rate)
    return running_program(*replay, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


async def _under_way(redis: Client) -> str:
    """Return the id of the only action, once it has processed some letters and not all."""

    async def begun() -> Action | None:
        stored_action = await stored_actions.recent(redis)
        return stored_action[0] if stored_action and 0 < stored_action[0].done < MANY else None

    action = await until(begun)
    assert action is not None
    return action.id
