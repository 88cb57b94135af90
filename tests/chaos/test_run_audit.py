"""Tests that the audit of a run finds the faults that it looks for."""

from collections.abc import Sequence
from pathlib import Path

from arq.connections import ArqRedis
from arq.constants import default_queue_name, job_key_prefix

from tests.chaos.events import SUMMARY, position_of, subject_of
from tests.chaos.foreign_app import ForeignApp
from tests.chaos.record import Record, Try
from tests.chaos.rule_audit import ends_with_older, in_several_digests, older_after_newer, superseded
from tests.redis_server import RedisServer
from tests.until import until

OLDER, NEWER = sorted((4, 84), key=position_of)
"""Numbers of two events of one subject."""


def tries(*numbers: int) -> list[Try]:
    """Return one accepted attempt a second."""
    return [Try(float(at), number, f"key-{number}", is_taken=True) for at, number in enumerate(numbers)]


def faults(balances: Sequence[Try], logged_s: dict[str, float]) -> tuple[list[int], list[int]]:
    after = [number for number, _ in older_after_newer(balances, logged_s)]
    return after, [number for number, _ in ends_with_older(balances, (OLDER, NEWER))]


def test_two_events_of_one_subject_are_ordered_by_their_own_times() -> None:
    assert subject_of(OLDER) == subject_of(NEWER)
    assert superseded((OLDER, NEWER), {NEWER}) == {OLDER}
    assert superseded((OLDER, NEWER), {OLDER}) == set()


def test_an_older_event_after_a_newer_one_that_was_logged_as_sent_is_a_fault() -> None:
    assert faults(tries(NEWER, OLDER), {f"key-{NEWER}": 0.5}) == ([OLDER], [NEWER])


def test_an_older_event_after_a_newer_one_without_a_known_answer_is_no_fault() -> None:
    assert faults(tries(NEWER, OLDER, NEWER), {f"key-{NEWER}": 2.5}) == ([], [])


def test_a_newer_event_after_an_older_one_is_no_fault() -> None:
    logged_s = {f"key-{OLDER}": 0.5, f"key-{NEWER}": 1.5}
    assert faults(tries(OLDER, NEWER), logged_s) == ([], [])


def test_an_event_in_two_digests_and_a_digest_of_other_events_are_faults(tmp_path: Path) -> None:
    def recorded(*digests: tuple[str, str]) -> list[str]:
        lines = [f"1.0 {numbers} {SUMMARY} {key} ok\n" for key, numbers in digests]
        (tmp_path / "record").write_text("".join(lines))
        record = Record(tmp_path / "record")
        record.refresh()
        record.close()
        return in_several_digests(record)

    assert recorded(("a", "6,16"), ("b", "26"), ("a", "6,16")) == []
    assert len(recorded(("a", "6,16"), ("b", "16,26"))) == 1
    assert len(recorded(("a", "6,16"), ("a", "6,16,26"))) == 1


async def test_jobs_of_the_arq_application_that_are_lost_or_cannot_be_run_are_faults(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    app = ForeignApp(redis_server.url, tmp_path)
    theirs = ArqRedis.from_url(redis_server.url)
    try:
        for number in range(3):
            await app.enqueue(f"invoice-2026.{number}")
        assert (await app.audit()).lost == []

        await theirs.delete(job_key_prefix + "invoice-2026.0")
        await theirs.zrem(default_queue_name, "invoice-2026.1")
        assert (await app.audit()).lost == ["invoice-2026.0", "invoice-2026.1"]

        await theirs.enqueue_job("notify", _job_id="of-another.1")
        app.start()
        await until(lambda: app.ran() == {"invoice-2026.2"})
        await until(lambda: _is_empty(theirs))
        report = await app.audit()
        assert report.ran == 1
        expired, unknown = sorted(report.troubled)
        assert "invoice-2026.0 expired" in expired
        assert "function 'notify' not found" in unknown
    finally:
        await app.close()
        await theirs.aclose(close_connection_pool=True)


async def _is_empty(redis: ArqRedis) -> bool:
    return not await redis.zcard(default_queue_name)
