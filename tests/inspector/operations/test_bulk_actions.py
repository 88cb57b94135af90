"""Bulk actions: their progress, and how they are stopped, taken over and resumed."""

import time

import pytest

from broker import dead_letters
from broker.dead_letters import NotMineError, StoredDeadLetter, Work, stored_actions
from broker.dead_letters.action import FailureCause, Step
from broker.monitoring import audit
from broker.queue.batch import RawBody
from broker.redis.client import Client
from broker.redis.clock import ask_ms
from broker.redis.partitions import Partitions
from inspector.operations import bulk_actions, search, single_letter
from inspector.operations.action_steps.verb_steps import filter_of
from inspector.operations.bulk_actions import DryRunError
from inspector.operations.filters import Filter
from inspector.operations.groups.failure_groups import list_groups
from inspector.operations.status import read_status
from runtime.dry_run import DryRunResult
from tests.inspector.stack import action_progress, add_stored, all_letters, run_action
from tests.names import KEYS
from tests.redis_server import RedisServer


async def _make_dead_letters(redis: Client, count: int, *, event: str = "order.paid") -> list[str]:
    stored_letters = [
        dead_letters.died_at_intake(
            RawBody(number, "shop", "", b'{"n":%d}' % number),
            reason="failed",
            error="it",
            error_class="E",
            event=event,
            terms=[f"n{number}", "all"],
        )
        for number in range(count)
    ]
    await add_stored(redis, stored_letters)
    return [stored_letter.letter.id for stored_letter in stored_letters]


async def test_an_action_shows_its_author_its_selection_and_its_result(redis: Client) -> None:
    await _make_dead_letters(redis, 5)

    action = await run_action(
        redis, "replay", await bulk_actions.select(Partitions([redis]), Filter(event="order.paid"))
    )

    assert (action.state, action.selected, action.done, action.missing) == ("done", 5, 5, 0)
    assert (action.request.verb, action.request.by) == ("replay", "ann")
    assert filter_of(action.request) == Filter(event="order.paid")
    assert await stored_actions.recent(redis) == [action]
    [recorded] = await audit.read(redis)
    assert (recorded.audit_entry.by, recorded.audit_entry.what, recorded.audit_entry.about) == (
        "ann",
        "replay",
        "event=order.paid",
    )
    assert recorded.audit_entry.details == {"action": action.id, "letters": "5"}


async def test_the_audit_log_does_not_hold_the_search_text(redis: Client) -> None:
    await _make_dead_letters(redis, 3)

    await run_action(redis, "discard", await bulk_actions.select(Partitions([redis]), Filter(search="n1")))

    [recorded] = await audit.read(redis)
    assert recorded.audit_entry.about == "search=***"
    assert len(await all_letters(redis)) == 2


async def test_a_stopped_action_makes_no_further_step_and_continues_where_it_was(redis: Client) -> None:
    await _make_dead_letters(redis, 200)
    steps = action_progress(redis, "replay", await bulk_actions.select(Partitions([redis]), Filter()))
    first = await anext(steps)

    assert await stored_actions.stop(redis, first.id, by="bob")
    stopped = [step async for step in steps][-1]

    assert (stopped.state, stopped.done) == ("stopped", first.done)
    assert len(await all_letters(redis)) == 200 - first.done
    assert not await stored_actions.stop(redis, first.id, by="bob")

    assert await stored_actions.resume(redis, first.id, by="bob", owner="other")
    done = [step async for step in bulk_actions.run(Partitions([redis]), first.id, owner="other")][-1]
    assert (done.state, done.done, done.missing) == ("done", 200, 0)
    assert not await stored_actions.resume(redis, first.id, by="bob", owner="me")
    assert [row.audit_entry.what for row in await audit.read(redis)] == ["resume", "stop", "replay"]


async def test_an_action_whose_lease_expired_is_taken_over_and_completed_once(redis: Client) -> None:
    await _make_dead_letters(redis, 150)
    steps = action_progress(redis, "replay", await bulk_actions.select(Partitions([redis]), Filter()))
    first = await anext(steps)
    assert not await stored_actions.resume(redis, first.id, by="bob", owner="other")
    assert not first.is_interrupted(int(time.time() * 1000))

    await redis.hset(KEYS.action + first.id, "lease_until_ms", 1)
    assert await stored_actions.resume(redis, first.id, by="bob", owner="other")
    late = [step async for step in steps][-1]
    done = [step async for step in bulk_actions.run(Partitions([redis]), first.id, owner="other")][-1]

    assert late.done == first.done  # the old owner did nothing more
    assert (done.state, done.done) == ("done", 150)
    assert await all_letters(redis) == []
    assert (await read_status(Partitions([redis]))).adds_up()


async def test_a_step_of_a_former_owner_changes_nothing(redis: Client) -> None:
    ids = await _make_dead_letters(redis, 3)
    action = await bulk_actions.begin(Partitions([redis]), "discard", ids, by="ann", owner="me")
    stale = Work(action, "another worker")
    letters = await all_letters(redis)

    with pytest.raises(NotMineError):
        await dead_letters.discard(redis, letters, work=stale)
    with pytest.raises(NotMineError):
        await stored_actions.step(redis, stale, Step(done=3))

    assert len(await all_letters(redis)) == 3
    stored_action = await stored_actions.read(redis, action)
    assert stored_action is not None
    assert stored_action.done == 0


async def test_a_step_that_is_recorded_twice_counts_once(redis: Client) -> None:
    """The step is sent twice, as after a lost connection that took only the answer."""
    action = await bulk_actions.begin(
        Partitions([redis]), "dry_run", await _make_dead_letters(redis, 3), by="ann", owner="me"
    )
    step = Step(cursor="2", done=2, passed=1, failed=(FailureCause("aaaa", 1, "it"),))

    for _ in range(2):
        await stored_actions.step(redis, Work(action, "me"), step)
    await stored_actions.step(redis, Work(action, "me"), Step(cursor="3", done=1, passed=1))

    stored_action = await stored_actions.read(redis, action)
    assert stored_action is not None
    assert (stored_action.done, stored_action.passed, stored_action.failed) == (3, 2, 1)
    assert stored_action.causes == (FailureCause("aaaa", 1, "it"),)


async def test_causes_beyond_the_first_hundreds_are_counted_together(redis: Client) -> None:
    action = await bulk_actions.begin(
        Partitions([redis]), "dry_run", await _make_dead_letters(redis, 1), by="ann", owner="me"
    )

    for number in range(0, 600, 60):
        whys = tuple(FailureCause(f"{place:04}", 1, "it") for place in range(number, number + 60))
        await stored_actions.step(
            redis, Work(action, "me"), Step(cursor=str(number), failed=(FailureCause("0000", 1, "it"), *whys))
        )

    stored_action = await stored_actions.read(redis, action)
    assert stored_action is not None
    assert stored_action.failed == sum(why.count for why in stored_action.causes) == 610
    assert len(stored_action.causes) < 210
    assert {why.fingerprint: why.count for why in stored_action.causes}["0000"] == 11
    assert stored_action.causes[0].fingerprint == ""


async def test_a_dry_run_says_how_many_would_pass_and_why_others_fail(redis: Client) -> None:
    await _make_dead_letters(redis, 130)

    def judge(stored_letter: StoredDeadLetter) -> DryRunResult:
        number = stored_letter.letter.received_at_ms
        if number % 10:
            return DryRunResult(passes=True)
        fingerprint = "aaaa" if number < 100 else "bbbb"
        return DryRunResult(
            passes=False, error=f"no ada@example.com in {number}", fingerprint=fingerprint, path="$.n"
        )

    action = await bulk_actions.begin(
        Partitions([redis]),
        "dry_run",
        await bulk_actions.select(Partitions([redis]), Filter()),
        by="ann",
        owner="me",
    )
    done = [step async for step in bulk_actions.run(Partitions([redis]), action, owner="me", dry_run=judge)][-1]

    assert (done.state, done.done, done.passed, done.failed) == ("done", 130, 117, 13)
    assert [(why.fingerprint, why.count) for why in done.causes] == [("aaaa", 10), ("bbbb", 3)]
    assert all(why.error.startswith("no *** in ") and why.error.endswith(" at $.n") for why in done.causes)
    assert len(await all_letters(redis)) == 130


async def test_a_long_step_extends_its_lease(
    redis_server: RedisServer, redis: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspector.operations.action_steps.part_run._EXTEND_EVERY_S", 0.01)
    ids = await _make_dead_letters(redis, 20)
    leases = set()

    def judge(_: StoredDeadLetter) -> DryRunResult:
        time.sleep(0.01)
        with redis_server.client() as watching:
            leases.add(watching.hget(KEYS.action + action, "lease_until_ms"))
        return DryRunResult(passes=True)

    action = await bulk_actions.begin(Partitions([redis]), "dry_run", ids, by="ann", owner="me")
    async for _ in bulk_actions.run(Partitions([redis]), action, owner="me", dry_run=judge):
        pass

    assert len(leases) > 2


async def test_a_dry_run_is_refused_without_a_config(redis: Client) -> None:
    action = await bulk_actions.begin(
        Partitions([redis]), "dry_run", await _make_dead_letters(redis, 1), by="ann", owner="me"
    )

    with pytest.raises(DryRunError):
        async for _ in bulk_actions.run(Partitions([redis]), action, owner="me"):
            pass


async def test_a_note_is_added_to_all_selected_letters(redis: Client) -> None:
    await _make_dead_letters(redis, 70)
    [other] = await _make_dead_letters(redis, 1, event="other")
    selection = await bulk_actions.select(Partitions([redis]), Filter(event="order.paid"))
    action = await bulk_actions.begin(
        Partitions([redis]), "annotate", selection, by="ann", owner="me", note="reported to the CRM team"
    )

    done = [step async for step in bulk_actions.run(Partitions([redis]), action, owner="me")][-1]

    assert (done.done, done.missing) == (70, 0)
    notes = [(await dead_letters.get(redis, letter.id)) for letter in await all_letters(redis)]
    texts = [stored_letter.notes[0].text for stored_letter in notes if stored_letter and stored_letter.notes]
    assert texts == ["reported to the CRM team"] * 70
    left = await dead_letters.get(redis, other)
    assert left is not None
    assert left.notes == ()


async def test_a_rate_is_kept_and_the_lease_with_it(redis: Client) -> None:
    await _make_dead_letters(redis, 12)
    selection = await bulk_actions.select(Partitions([redis]), Filter())
    action = await bulk_actions.begin(
        Partitions([redis]), "discard", selection, by="ann", owner="me", rate_per_s=20
    )
    began, leases = time.monotonic(), set()
    async for step in bulk_actions.run(Partitions([redis]), action, owner="me"):
        leases.add(step.lease_until_ms)

    assert 0.3 < time.monotonic() - began < 30
    assert len(leases) > 1


async def test_an_action_on_a_search_processes_its_results(redis: Client) -> None:
    await _make_dead_letters(redis, 80)
    [alone] = await _make_dead_letters(redis, 1)
    selection = await bulk_actions.select(Partitions([redis]), Filter(search=" ALL "))
    assert selection.count == 81

    done = await run_action(redis, "discard", await bulk_actions.select(Partitions([redis]), Filter(search="N7")))

    assert (done.selected, done.done) == (1, 1)
    by_id = await search.find(Partitions([redis]), Filter(search=alone))
    assert [entry.letter.id for entry in by_id.entries] == [alone]


async def test_only_the_last_actions_are_kept(redis: Client) -> None:
    ids = await _make_dead_letters(redis, 1)
    running = await bulk_actions.begin(Partitions([redis]), "annotate", ids, by="ann", owner="me")
    stopped = await bulk_actions.begin(Partitions([redis]), "annotate", ids, by="ann", owner="me")
    assert await stored_actions.stop(redis, stopped, by="ann")
    await run_action(redis, "discard", ["0" * 17])
    later_ms = await ask_ms(redis) + 60_000
    await redis.zadd(
        KEYS.actions, {f"{number:017}": later_ms + number for number in range(stored_actions.KEPT - 1)}
    )

    await run_action(redis, "discard", ["0" * 17])

    assert await stored_actions.read(redis, running) is not None
    assert await stored_actions.read(redis, stopped) is None
    assert await redis.zcard(KEYS.actions) <= stored_actions.KEPT + 1


async def test_counts_agree_with_the_letters_that_a_filter_finds(redis: Client) -> None:
    for event in ("a", "b", "c"):
        await _make_dead_letters(redis, 30, event=event)
    kinds = await dead_letters.read_combinations(redis)
    middle = next(kind.last_ms for kind in kinds.combinations if kind.dimensions.event == "b")

    for wanted in (
        Filter(),
        Filter(event="b"),
        Filter(event="b", source="absent"),
        Filter(since_ms=middle),
        Filter(until_ms=middle),
        Filter(event="a", until_ms=middle),
        Filter(max_attempts=0, error_class="E"),
        Filter(min_attempts=1),
        Filter(search="all", event="c"),
        Filter(search="n3"),
        Filter(search="absent"),
    ):
        everything = (await search.find(Partitions([redis]), Filter(), limit=1000)).entries
        expected = [
            found.letter.id
            for found in everything
            if wanted.matches(dead_letters.dimensions_of(found.letter))
            and wanted.includes(found.at_ms)
            and (not wanted.search or wanted.search in ("all", f"n{found.letter.received_at_ms}"))
        ]
        page = await search.find(Partitions([redis]), wanted, limit=1000)
        assert [entry.letter.id for entry in page.entries] == expected, wanted
        assert await search.count(Partitions([redis]), wanted) == len(expected), wanted


async def test_groups_show_when_they_grew(redis: Client) -> None:
    await _make_dead_letters(redis, 4)

    [group] = await list_groups(Partitions([redis]))

    assert (group.count, sum(group.hours), group.hours[-1] + group.hours[-2]) == (4, 4, 4)
    assert group.first_ms == group.last_ms
    assert await list_groups(Partitions([redis]), Filter(event="other")) == []


async def test_an_edited_copy_goes_back_and_the_original_stays(redis: Client) -> None:
    [letter_id] = await _make_dead_letters(redis, 1)
    before = await search.get(Partitions([redis]), letter_id)

    assert await single_letter.replay_edited(Partitions([redis]), letter_id, b'{"n":"corrected"}', by="ann")
    assert not await single_letter.replay_edited(Partitions([redis]), "0" * 17, b"{}", by="ann")

    status = await read_status(Partitions([redis]))
    kept = await search.get(Partitions([redis]), letter_id)
    assert status.adds_up()
    assert (status.totals.queued, status.totals.edited, status.dead_letters) == (1, 1, 1)
    assert before is not None
    assert kept is not None
    assert (kept.letter, kept.body) == (before.letter, before.body)
    assert [(note.by, note.text) for note in kept.notes] == [("ann", "replayed an edited copy")]
    assert [row.audit_entry.what for row in await audit.read(redis)] == ["edit"]


async def test_a_reveal_is_recorded_in_the_audit_log(redis: Client) -> None:
    [letter_id] = await _make_dead_letters(redis, 1)

    assert await single_letter.reveal(Partitions([redis]), letter_id, by="ann") is not None
    assert await single_letter.reveal(Partitions([redis]), "0" * 17, by="ann") is None

    assert [
        (row.audit_entry.by, row.audit_entry.what, row.audit_entry.about) for row in await audit.read(redis)
    ] == [("ann", "reveal", letter_id)]
