"""Forgetting a person removes them from Redis and its append-only file, in every spelling."""

from __future__ import annotations

import json
import time
from pathlib import Path

import msgspec
import pytest

from broker import dead_letters
from broker.dead_letters import stored_actions
from broker.erasure import append_only_file
from broker.monitoring import alerts, audit, drift, stats
from broker.monitoring.alerts import Alert
from broker.monitoring.audit import AuditEntry
from broker.monitoring.drift import Deviation
from broker.queue import jobs, stream
from broker.queue.batch import RawBody, decode
from broker.queue.jobs import Attempt, Notification
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation
from broker.redis.partitions import Partitions
from inspector.operations import search
from inspector.operations.forget import forget_person
from inspector.privacy.person import Person
from launcher.composition.dead_letter_terms import terms
from sources import KINDS
from sources.settings import Settings as SourceSettings
from tests.inspector.operations.test_forget_exports import NOW_MS
from tests.inspector.stack import add_stored, all_letters
from tests.names import KEYS
from tests.redis_server import RedisServer

TERMS = terms({"voucherify": SourceSettings()})
KINDS_BY_NAME = {"voucherify": KINDS["voucherify"]}
EMAIL = "lena.lookup@bücher.example"
LENA = Person([EMAIL], KINDS_BY_NAME)
SPELLINGS = (
    "lena.lookup@bücher.example",
    "LENA.Lookup@XN--BCHER-KVA.example",
    "lena.lookup%40xn--bcher-kva.example",
    "lena.lookup%2540b%25C3%25BCcher.example",
)


def body_with(text: str) -> RawBody:
    return RawBody(NOW_MS, "voucherify", "", json.dumps({"id": "ev_1", "note": {"link": text}}).encode())


OF_ANOTHER = body_with("https://shop.example/cust_2")


@pytest.mark.parametrize(
    "text", [*SPELLINGS, r"lena.lookup\u0040b\u00fccher.example", f"https://x/?e={SPELLINGS[2]}&n=1"]
)
async def test_a_dead_letter_whose_body_names_the_person_in_another_spelling_goes(
    redis: Client, text: str
) -> None:
    letters = [
        dead_letters.died_at_intake(body, reason="failed", error="", error_class="E")
        for body in (body_with(text), OF_ANOTHER)
    ]
    await add_stored(redis, letters)

    done = await forget_person(Partitions([redis]), LENA, TERMS, by="ann")

    assert done.letters == 1
    assert [letter.id for letter in await all_letters(redis)] == [letters[1].letter.id]


@pytest.mark.parametrize("spelled", SPELLINGS)
async def test_texts_of_a_letter_of_another_are_redacted_and_the_letter_stays(redis: Client, spelled: str) -> None:
    tried = Attempt(1, 2, "permanent", f"no <{spelled}>", f"550 {spelled} unknown")
    body = RawBody(NOW_MS, "voucherify", f"h.{spelled}", OF_ANOTHER.body, f"x-user: {spelled}")
    stored_letter = dead_letters.died_at_notify(
        Notification("k", "r", spelled, body, (tried,)), "crm", reason="permanent", error=spelled, error_class="E"
    )
    await add_stored(redis, [dead_letters.with_about(stored_letter, f"of {spelled}")])
    await dead_letters.annotate(
        redis, [stored_letter.letter.id], dead_letters.Note(NOW_MS, "ann", f"asked {spelled}")
    )
    await dead_letters.annotate(redis, [stored_letter.letter.id], dead_letters.Note(NOW_MS, "ann", "keep this"))

    done = await forget_person(Partitions([redis]), LENA, TERMS, by="ann")

    assert (done.letters, done.redacted, done.notes) == (0, 1, 1)
    left = await search.get(Partitions([redis]), stored_letter.letter.id)
    assert left is not None and left.body == OF_ANOTHER.body
    assert (left.letter.event_hint, left.letter.about) == ("h.(forgotten)", "of (forgotten)")
    assert left.letter.event == "(forgotten)" and left.letter.error == "(forgotten)"
    assert left.letter.attempts == (Attempt(1, 2, "permanent", "no <(forgotten)>", "550 (forgotten) unknown"),)
    assert left.letter.headers == "x-user: (forgotten)"
    assert [note.text for note in left.notes] == ["keep this"]
    [kind] = (await search.choices(Partitions([redis]))).by_field["event"]
    assert kind == "(forgotten)"
    assert (await stats.read_totals(redis)).notifications_add_up()


async def test_waiting_webhooks_and_notifications_of_others_are_redacted(redis: Client) -> None:
    await stream.create_group(redis)
    named = RawBody(NOW_MS, "voucherify", f"h.{EMAIL}", OF_ANOTHER.body, f"x-user: {EMAIL}")
    await accept_raw(redis, named)
    job = jobs.NotifyJob(
        "crm", 2, NOW_MS, [Notification("k", "r", EMAIL, named, (Attempt(1, 2, "retry", EMAIL, EMAIL),))]
    )
    await redis.set(KEYS.job + "1m8erdrz65ax1eb3r.1", jobs.encode(job))
    await redis.zadd(KEYS.queue, {"1m8erdrz65ax1eb3r.1": NOW_MS})

    done = await forget_person(Partitions([redis]), LENA, TERMS, by="ann")

    assert (done.webhooks, done.notifications, done.redacted) == (0, 0, 2)
    [(_, fields)] = await redis.xrange(KEYS.stream)
    [webhook] = decode(fields[b"z"])
    assert (webhook.event_hint, webhook.headers) == ("h.(forgotten)", "x-user: (forgotten)")
    [name] = await redis.zrange(KEYS.queue, 0, -1)
    [left] = jobs.decode(jobs.deserialize(await jobs.raw(redis, name.decode()))["a"][0]).notifications
    assert left.event == "(forgotten)" and left.attempts[0].answer == "(forgotten)" and left.key == "k"
    assert (await stats.read_totals(redis)).queued == 1


async def accept_raw(redis: Client, body: RawBody) -> None:
    await stream.append(redis, [body], Confirmation())


async def test_actions_audit_drift_and_alerts_no_longer_name_the_person(redis: Client) -> None:
    await add_stored(redis, [dead_letters.died_at_intake(OF_ANOTHER, reason="failed", error="", error_class="E")])
    order = stored_actions.ActionRequest(verb="dry_run", by="ann", wanted={"event": EMAIL}, note=f"for {EMAIL}")
    action = await stored_actions.start(redis, order, selected=1, owner="me", about=f"of event {EMAIL}")
    why = stored_actions.FailureCause("f1", 1, f"no attribute '{SPELLINGS[2]}'")
    await stored_actions.step(
        redis, dead_letters.Work(action, "me"), stored_actions.Step(failed=(why,), is_last=True)
    )
    await drift.note(redis, "voucherify", {Deviation(EMAIL): 3, Deviation(EMAIL, "unknown event"): 3})
    await alerts.raise_alert(redis, Alert(kind="drift", source="voucherify", since_ms=1, text=EMAIL), mark_ms=1000)
    await audit.record(redis, AuditEntry("ann", "export", f"of event {SPELLINGS[1]}"))

    done = await forget_person(Partitions([redis]), LENA, TERMS, by="ann")

    assert (done.actions, done.audit_entries, done.drift, done.alerts) == (1, 2, 2, 1)
    stored_action = await stored_actions.read(redis, action)
    assert (
        stored_action
        and stored_action.request.wanted == {"event": "(forgotten)"}
        and stored_action.request.note == "for (forgotten)"
    )
    assert [(cause.count, cause.error) for cause in stored_action.causes] == [(1, "no attribute '(forgotten)'")]
    counts = (await drift.read(redis, ["voucherify"]))["voucherify"]
    assert counts == {Deviation("(forgotten)"): 3, Deviation("(forgotten)", "unknown event"): 3}
    [alert] = await alerts.current_alerts(redis, now_ms=1)
    assert alert.text == "(forgotten)"
    kept = [row.audit_entry for row in await audit.read(redis)]
    assert sorted(audit_entry.what for audit_entry in kept) == ["dry_run", "export", "forget", "forgot"]
    assert all(
        audit_entry.details.get("written_at_ms", "").isdecimal()
        for audit_entry in kept
        if "(forgotten)" in audit_entry.about
    )
    assert not any(LENA.is_in_text(str(audit_entry)) for audit_entry in kept)


async def test_an_id_that_is_a_common_word_removes_no_other_data(redis: Client) -> None:
    person = Person(["customer"], KINDS_BY_NAME)
    body = RawBody(NOW_MS, "voucherify", "customer.created", b'{"customer": {"note": "a customer of ours"}}')
    stored_letter = dead_letters.died_at_intake(body, reason="failed", error="", error_class="E")
    await add_stored(redis, [stored_letter])
    await drift.note(redis, "voucherify", {Deviation("customer", "unknown key", "$.customer"): 1})

    done = await forget_person(Partitions([redis]), person, TERMS, by="ann")

    assert (done.letters, done.redacted, done.drift) == (0, 0, 0)
    assert await search.get(Partitions([redis]), stored_letter.letter.id) == dead_letters.StoredDeadLetter(
        msgspec.structs.replace(stored_letter.letter, died_at_ms=(await all_letters(redis))[0].died_at_ms),
        body.body,
    )


def files_of(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted((directory / "appendonlydir").iterdir()))


async def test_the_append_only_file_no_longer_holds_the_person(redis_server: RedisServer, redis: Client) -> None:
    await redis.hset(KEYS.action + "x", "eg:", EMAIL)
    await redis.zadd(KEYS.actions, {"x": 1})
    assert EMAIL.encode() in files_of(redis_server.directory)

    done = await forget_person(Partitions([redis]), LENA, TERMS, by="ann")

    assert done.append_only_file == "rewritten" and done.is_complete
    assert EMAIL.encode() not in files_of(redis_server.directory)


async def test_a_refused_rewrite_is_reported_and_the_result_is_incomplete(redis: Client) -> None:
    await redis.execute_command("ACL", "SETUSER", "default", "-bgrewriteaof")
    try:
        done = await forget_person(Partitions([redis]), LENA, TERMS, by="ann")
    finally:
        await redis.execute_command("ACL", "SETUSER", "default", "+bgrewriteaof")

    assert done.append_only_file == "failed" and not done.is_complete
    assert "bgrewriteaof" in done.append_only_reason


async def test_a_rewrite_that_takes_too_long_is_reported(redis: Client) -> None:
    await redis.config_set("rdb-key-save-delay", 100_000)  # us a key
    for number in range(30):
        await redis.set(f"{KEYS.prefix}x{number}", "x" * 1000)
    started_s = time.monotonic()
    try:
        result = await append_only_file.rewrite(redis, timeout_s=0.2)
    finally:
        await redis.config_set("rdb-key-save-delay", 0)

    assert result.state == "failed" and "still running after 0.2 s" in result.reason
    assert time.monotonic() - started_s < 10


async def test_a_redis_without_an_append_only_file_is_reported(redis: Client) -> None:
    await redis.config_set("appendonly", "no")
    try:
        assert await append_only_file.rewrite(redis, timeout_s=5) == append_only_file.Rewrite("off")
    finally:
        await redis.config_set("appendonly", "yes")
        assert (await append_only_file.rewrite(redis, timeout_s=30)).state == "rewritten"
