"""Tests of the pages with which the receiver reports on itself."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from broker.monitoring.stats import Totals, read_totals
from broker.redis.client import Client
from sources.voucherify import HEADER
from tests.receiver.serving import PATH, Served, serving
from tests.until import until

_LABELS = ("le", "status", "outcome", "process")


async def samples(served: Served) -> dict[tuple[str, str], float]:
    """Return every sample by its name and the label that distinguishes it."""
    text = await served.text("/metrics")
    return {
        (sample.name, next((sample.labels[name] for name in _LABELS if name in sample.labels), "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_a_healthy_receiver_is_alive_and_ready(redis: Client) -> None:
    async with serving(redis) as served:
        alive, ready = await served.get("/healthz"), await served.get("/readyz")

        assert (alive.status, alive.content) == (200, {"status": "alive"})
        assert (ready.status, ready.content) == (200, {"status": "ready"})


async def test_pages_can_only_be_read(redis: Client) -> None:
    async with serving(redis) as served:
        refused = await served.send(path="/readyz")

        assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD")
        async with served.session.head(f"http://127.0.0.1:{served.port}/healthz") as answer:
            assert (answer.status, await answer.read()) == (200, b"")


async def test_metrics_count_what_happened(redis: Client) -> None:
    async with serving(redis) as served:
        await served.send(b"{}")
        await served.send(b"{}{}")
        await served.send(headers={HEADER: "wrong"})
        await served.send(path="/nowhere")
        sample = await samples(served)

    assert sample["hookline_receiver_requests_total", "202"] == 2
    assert sample["hookline_receiver_requests_total", "401"] == 1
    assert sample["hookline_receiver_requests_total", "404"] == 1
    assert sample["hookline_receiver_bodies_total", "3"] == 2
    assert sample["hookline_receiver_body_bytes_total", "3"] == 6
    assert sample["hookline_receiver_batches_total", "3"] == 2
    assert sample["hookline_receiver_batch_bodies_count", "3"] == 2
    assert sample["hookline_receiver_batch_bodies_bucket", "1.0"] == 2
    assert sample["hookline_receiver_ack_duration_seconds_count", "3"] == 2
    assert sample["hookline_receiver_pending_bytes", "3"] == 0
    assert sample["hookline_receiver_redis_up", "3"] == 1
    assert sample["hookline_ready", "3"] == 1
    assert sample["hookline_build_info", ""] == 1
    assert sample["process_cpu_seconds_total", "3"] > 0


async def test_figures_of_the_whole_installation_are_not_repeated_by_each_receiver(redis: Client) -> None:
    async with serving(redis) as served:
        text = await served.text("/metrics")
    assert {line.split()[2] for line in text.splitlines() if line.startswith("# HELP hookline_")} >= {
        "hookline_ready"
    }
    assert not [
        line
        for line in text.splitlines()
        if line.startswith("hookline_")
        and not line.startswith(("hookline_receiver_", "hookline_ready", "hookline_build"))
    ]


async def test_refused_webhooks_are_counted_in_redis(redis: Client) -> None:
    async with serving(redis) as served:
        for _ in range(3):
            await served.send(headers={HEADER: "wrong"})
        await served.send(path="/nowhere")

        async def counted() -> bool:
            return (await read_totals(redis)).refused == {"401": 3, "404": 1}

        await until(counted)
        await served.send(method="PUT")
    totals = await read_totals(redis)
    assert totals == Totals(refused={"401": 3, "404": 1, "405": 1})  # the last ones are reported at the stop


async def test_many_refusals_are_one_log_line_that_shows_no_secret(
    redis: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "hookline.receiver")
    async with serving(redis) as served:
        for _ in range(20):
            await served.send(b'"body-secret"', path=f"{PATH}?event=query-secret", headers={HEADER: "f00f"})

    lines: list[Any] = [record for record in caplog.records if getattr(record, "action", "") == "webhook_refused"]
    assert 1 <= len(lines) <= 3
    assert sum(line.count for line in lines) == 20
    assert {line.status for line in lines} == {401}
    assert not any(word in caplog.text for word in ("body-secret", "query-secret", "f00f"))
