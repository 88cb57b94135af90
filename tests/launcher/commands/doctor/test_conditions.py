"""The conditions of the doctor, from facts alone."""

from __future__ import annotations

import pytest

from broker.namespace.key_survey import KeySurvey
from broker.queue.stuck_jobs import StuckJobs
from broker.redis.server.facts import ServerFacts
from broker.redis.server.health import ServerHealth
from launcher.commands.doctor.finding import Finding, merged, problem, report_on, split_cure, warning
from launcher.commands.doctor.key_conditions import job_findings, limit_notes
from launcher.commands.doctor.redis_conditions import server_findings
from launcher.commands.doctor.work_conditions import due_findings
from worker.settings import AlertSettings


def server(version: tuple[int, ...] = (8, 2), product: str = "redis", limit: int = 0) -> ServerFacts:
    return ServerFacts(
        version=version,
        aof=True,
        fsync="always",
        eviction="noeviction",
        max_memory_bytes=limit,
        used_memory_bytes=1,
        read_only=False,
        replicas=0,
        product=product,
    )


def whats(facts: ServerFacts, health: ServerHealth) -> list[str]:
    return [finding.what for finding in server_findings(facts, health)]


def test_a_server_that_is_well_has_no_finding() -> None:
    assert whats(server(), ServerHealth(machine_memory_used=0.5, round_trip_ms=1)) == []


@pytest.mark.parametrize(
    ("health", "words"),
    [
        (ServerHealth(evicted_keys=5), "has removed 5 keys"),
        (ServerHealth(aof_write_failed=True), "append-only file"),
        (ServerHealth(snapshot_failed=True), "snapshot"),
        (ServerHealth(machine_memory_used=0.9), "90% of its machine's memory"),
        (ServerHealth(connections_used=0.95), "95% of the connections"),
        (ServerHealth(round_trip_ms=48.7), "takes 49 ms"),
    ],
)
def test_each_weakness_of_a_server_is_one_finding(health: ServerHealth, words: str) -> None:
    (what,) = whats(server(), health)
    assert words in what


def test_a_server_with_a_memory_limit_may_use_much_of_the_machine() -> None:
    assert whats(server(limit=1), ServerHealth(machine_memory_used=0.9)) == []


@pytest.mark.parametrize(("product", "version"), [("redis", (6, 0)), ("valkey", (7, 1))])
def test_an_old_version_is_a_problem(product: str, version: tuple[int, ...]) -> None:
    assert "is too old" in whats(server(version, product), ServerHealth())[0]


def test_due_notifications_are_late_after_the_time_of_the_alert_if_workers_are_alive() -> None:
    late = StuckJobs(late_ms=61_000)
    assert [finding.what for finding in due_findings(late, 1, AlertSettings())] == [
        "a notification that is due has waited for 1 min"
    ]
    assert not list(due_findings(late, 0, AlertSettings()))
    assert not list(due_findings(late, 1, AlertSettings(queue_age_s=90)))


def test_a_finding_names_three_of_many_jobs_on_one_line() -> None:
    (finding,) = job_findings(StuckJobs(without_job=tuple(b"j\x1b%d.1" % n for n in range(1200))), 3)
    assert r"1,200 jobs (j\x1b0.1, j\x1b1.1, j\x1b2.1, ...)" in finding.what


def test_the_report_says_what_it_did_not_examine() -> None:
    notes = list(limit_notes(StuckJobs(is_complete=False), KeySurvey(examined=200_000, is_complete=False)))
    assert "only the 10,000 jobs" in notes[0]
    assert "only 200,000 keys were examined" in notes[1]


def test_findings_of_some_partitions_name_them_and_problems_come_first() -> None:
    everywhere, here = warning("keys", "a", "fix"), problem("jobs", "b", "fix")
    report = report_on(merged({0: [everywhere], 1: [everywhere, here], 2: [everywhere, here]}))
    assert report.findings == (Finding("problem", "jobs", "partitions 1 and 2: b", "fix"), everywhere)
    assert report.exit_code == 1


def test_warnings_alone_end_with_exit_code_0() -> None:
    assert report_on([warning("keys", "a", "fix")]).exit_code == 0


RISKY = [
    ServerFacts(
        version=(),
        aof=aof,
        fsync="",
        eviction=eviction,
        max_memory_bytes=limit,
        used_memory_bytes=None,
        read_only=True,
        replicas=None,
        has_stopped_aof=stopped,
        lacks_cluster_url=True,
        snapshots=snapshots,
        needs_all_slots=True,
    )
    for aof, stopped, snapshots in (
        (False, False, True),
        (False, False, False),
        (False, True, None),
        (None, False, None),
    )
    for eviction, limit in (("allkeys-lru", 1), ("", None))
]


@pytest.mark.parametrize("text", sorted({text for facts in RISKY for text in (*facts.risks(), *facts.notes())}))
def test_every_text_of_the_check_about_redis_has_a_cure(text: str) -> None:
    what, fix = split_cure(text)
    assert what and fix, text
    assert fix in text


def test_a_text_without_a_cure_is_left_whole() -> None:
    text = "partition 1 is away: Redis is not reachable: Connection refused"
    assert split_cure(text) == (text, "")
