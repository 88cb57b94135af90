"""Tests of `make cluster-demo`, with few webhooks."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import msgspec
import pytest

from tests.launcher.running import Running, is_alive
from tests.until import until
from tools.cluster_demo.sink import Sink

DEMO = ("-m", "tools.cluster_demo", "--count", "100", "--rate", "30", "--seconds", "5", "--longest-gap", "20")


def notification(order: int, key: str) -> bytes:
    return msgspec.json.encode({"key": key, "data": {"transaction": {"source_id": f"order-{order}"}}})


def started_by(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that these have started."""
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [below for child in children for below in started_by(child)]


@pytest.mark.timeout(400)
async def test_the_cluster_demo_shows_that_nothing_is_lost_and_ends_what_it_started(tmp_path: Path) -> None:
    demo = Running(*DEMO, cwd=tmp_path)
    try:
        await until(lambda: "killed the primary" in demo.output, seconds=120)
        processes = started_by(demo.pid)
        assert await demo.ends(seconds=150) == 0, demo.output
    finally:
        demo.kill()
    assert re.search(r"100 acknowledged", demo.output)
    assert re.search(r"each notified exactly once", demo.output)
    assert len(re.findall(r"the primary on port \d+ processed [1-9]", demo.output)) == 3
    assert re.search(r"[1-9]\d* at once .*, [1-9]\d* key by key", demo.output)
    assert re.search(r"lost 0, sent under two keys 0", demo.output)
    assert demo.output.count("queued 0  ok") == demo.output.count("waiting 0  ok") == 2
    assert len(processes) > 6
    await until(lambda: not any(map(is_alive, processes)))


@pytest.mark.timeout(400)
async def test_ctrl_c_ends_all_that_the_cluster_demo_started(tmp_path: Path) -> None:
    demo = Running(*DEMO, cwd=tmp_path)
    try:
        await until(lambda: "1. hookline send" in demo.output, seconds=120)
        processes = started_by(demo.pid)
        demo.signal(signal.SIGINT)
        assert await demo.ends(seconds=150) == 130, demo.output
    finally:
        demo.kill()
    assert "Traceback" not in demo.output
    assert len(processes) > 6
    await until(lambda: not any(map(is_alive, processes)))


def test_the_sink_of_the_cluster_demo_counts_repeats_and_second_keys() -> None:
    sink = Sink()
    for order, key in ((1, "a"), (2, "b"), (2, "b")):
        sink.take(notification(order, key))
    assert (len(sink.keys), sink.sent_again, sink.with_two_keys) == (2, 1, 0)
    sink.take(notification(1, "c"))
    assert (len(sink.keys), sink.sent_again, sink.with_two_keys) == (2, 1, 1)
