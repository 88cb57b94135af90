"""The contenders: which packages each needs, and how its processes are started with its best settings.

The settings were found by trying a few on two cores: see docs/peers.md.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from benchmarks.peers.configs import write_hookline, write_hookspool

PROGRAMS = Path(__file__).with_name("programs")

_HTTP = ("aiohttp", "msgspec", "uvloop")


class Process(Struct, frozen=True):
    """A process of a contender. In its arguments {bin}, {port}, {home} and {tuning} are replaced."""

    role: str
    """The component that its CPU time counts for: `receiver`, `worker` or `both`."""

    arguments: tuple[str, ...]


class Tuning(Struct, frozen=True):
    """Settings that a contender is tried with."""

    value: str = ""
    """The settings, as its program or its config reads them from PEER_TUNING."""

    workers: int = 1
    """The number of worker processes."""


class Contender(Struct, frozen=True, kw_only=True):
    """A program to measure."""

    name: str
    title: str
    processes: tuple[Process, ...]
    packages: tuple[str, ...] = ()
    """The packages that its environment is made from. Empty for those that run in the environment of Hookline."""

    shown: tuple[str, ...] = ()
    """The packages whose versions are printed."""

    tunings: tuple[Tuning, ...] = (Tuning(),)
    """The settings that `--tune` compares. The first one was the best, and is measured."""

    settings: str
    """The settings that are not defaults, as the table shows them."""

    path: str = "/webhooks/voucherify"
    write_config: Callable[[Path, dict[str, str]], None] | None = None
    """A function that writes its config into a directory, from the environment of its processes."""

    set_up: tuple[tuple[str, ...], ...] = ()
    """Commands that run before its processes start."""


def _python(role: str, program: str, *arguments: str) -> Process:
    return Process(role, ("{bin}/python", str(PROGRAMS / program), *arguments))


CONTENDERS = (
    Contender(
        name="hookline",
        title="Hookline",
        processes=(
            Process("receiver", ("{bin}/hookline", "--config", "{home}/hookline.toml", "receiver")),
            Process("worker", ("{bin}/hookline", "--config", "{home}/hookline.toml", "worker")),
        ),
        shown=("aiohttp", "arq", "msgspec", "redis", "uvloop"),
        settings="defaults: one receiver and one worker process",
        write_config=write_hookline,
    ),
    Contender(
        name="arq-fastapi",
        title="FastAPI + arq + httpx",
        processes=(
            Process(
                "receiver",
                (
                    *("{bin}/python", "-m", "uvicorn", "arq_fastapi:app", "--port", "{port}", "--loop", "uvloop"),
                    *("--http", "httptools", "--no-access-log", "--log-level", "warning"),
                    *("--timeout-keep-alive", "75"),
                ),
            ),
            _python("worker", "arq_fastapi.py"),
        ),
        packages=("fastapi", "uvicorn[standard]", "arq", "httpx", "hiredis", "msgspec"),
        shown=("fastapi", "uvicorn", "arq", "httpx", "redis"),
        tunings=(
            Tuning("100,0.005"),
            Tuning("100,0.001"),
            Tuning("100,0.02"),
            Tuning("30,0.005"),
            Tuning("500,0.005"),
            Tuning("100,0.005", workers=2),
        ),
        settings="uvloop, httptools, no access log; one worker, max_jobs 100, poll_delay 5 ms, keep_result 0",
    ),
    Contender(
        name="arq-aiohttp",
        title="aiohttp + arq + msgspec",
        processes=(
            _python("receiver", "arq_aiohttp.py", "receive"),
            _python("worker", "arq_aiohttp.py", "work"),
        ),
        packages=(*_HTTP, "arq", "hiredis"),
        shown=("aiohttp", "arq", "msgspec", "redis"),
        tunings=(
            Tuning("100,0.005"),
            Tuning("100,0.001"),
            Tuning("100,0.02"),
            Tuning("30,0.005"),
            Tuning("500,0.005"),
            Tuning("100,0.005", workers=2),
        ),
        settings="uvloop, msgpack jobs; one worker, max_jobs 100, poll_delay 5 ms, keep_result 0",
    ),
    Contender(
        name="celery",
        title="aiohttp + Celery (prefork)",
        processes=(
            _python("receiver", "celery_tasks.py", "receive"),
            Process(
                "worker",
                (
                    *("{bin}/python", "-m", "celery", "-A", "celery_tasks", "worker", "--pool", "prefork"),
                    *("-O", "fair", "--loglevel", "WARNING"),
                    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
                ),
            ),
        ),
        packages=(*_HTTP, "celery[redis]", "urllib3", "hiredis"),
        shown=("celery", "kombu", "urllib3", "redis"),
        tunings=(Tuning("2,256"), Tuning("2,4"), Tuning("2,64"), Tuning("1,256"), Tuning("4,256")),
        settings="two processes, prefetch 256, acks_late, results off, no gossip, mingle, heartbeat or events",
    ),
    Contender(
        name="taskiq",
        title="aiohttp + taskiq (Redis streams)",
        processes=(
            _python("receiver", "taskiq_tasks.py", "receive"),
            Process(
                "worker",
                (
                    *("{bin}/python", "-m", "taskiq", "worker", "taskiq_tasks:broker", "--workers", "1"),
                    *("--max-async-tasks", "{tuning}", "--max-prefetch", "{tuning}", "--no-parse"),
                    *("--ack-type", "when_executed", "--log-level", "WARNING"),
                ),
            ),
        ),
        packages=(*_HTTP, "taskiq", "taskiq-redis", "hiredis"),
        shown=("taskiq", "taskiq-redis", "redis"),
        tunings=(Tuning("300"), Tuning("30"), Tuning("100"), Tuning("300", workers=2)),
        settings="uvloop, msgpack by msgspec; one worker, 300 tasks, prefetch 300, no result backend",
    ),
    Contender(
        name="saq",
        title="aiohttp + SAQ",
        processes=(_python("receiver", "saq_jobs.py", "receive"), _python("worker", "saq_jobs.py", "work")),
        packages=(*_HTTP, "saq[redis,hiredis]"),
        shown=("saq", "redis"),
        tunings=(Tuning("20"), Tuning("10"), Tuning("50"), Tuning("100"), Tuning("20", workers=2)),
        settings="uvloop, msgpack jobs; one worker, concurrency 20, results off",
    ),
    Contender(
        name="streaq",
        title="aiohttp + streaq",
        processes=(
            _python("receiver", "streaq_tasks.py", "receive"),
            _python("worker", "streaq_tasks.py", "work"),
        ),
        packages=(*_HTTP, "streaq"),
        shown=("streaq", "coredis"),
        tunings=(Tuning("30"), Tuning("100"), Tuning("300"), Tuning("30", workers=2)),
        settings="uvloop, msgpack tasks; one worker, concurrency 30, results off",
    ),
    Contender(
        name="hookspool",
        title="hookspool (SQLite)",
        processes=(
            Process("receiver", ("{bin}/hookspool", "--home", "{home}", "intake")),
            Process("worker", ("{bin}/hookspool", "--home", "{home}", "dispatch")),
        ),
        packages=("hookspool",),
        shown=("hookspool",),
        tunings=(Tuning("literal:all"), Tuning("data.customer.id"), Tuning("data.voucher.campaign_id")),
        settings="unwrap (one POST an event), one key for all, parallel 4, poll_s 0.05, 80 threads",
        path="/hooks/voucherify",
        write_config=write_hookspool,
        set_up=(("{bin}/hookspool", "--home", "{home}", "migrate"),),
    ),
    Contender(
        name="floor",
        title="floor: bare aiohttp, no Redis",
        processes=(_python("both", "bare_aiohttp.py"),),
        shown=("aiohttp", "uvloop"),
        settings="one process, 64 concurrent POSTs",
    ),
)
