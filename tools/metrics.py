"""Writes docs/metrics.md from the declarations of the metrics: `python -m tools.metrics`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from inspector import fleet_metrics
from receiver.health import metrics as receiver_metrics
from runtime.metrics.declaration import Metric
from runtime.metrics.process_figures import PROCESS_METRICS
from worker import vitals

FILE = Path(__file__).parents[1] / "docs" / "metrics.md"

HEAD = """\
# Metrics

Every metric that Hookline exports for Prometheus. `make docs` writes this page from the code, and a test checks
that it is up to date. [operations.md](operations.md#health-and-metrics) says how to open the ports and how to
scrape them.

| Part | Address | Setting |
|---|---|---|
| receiver | `/metrics` on the port of the webhooks, 8080 | `receiver.port` |
| worker | `/metrics` on a port of its own, closed by default | `worker.port` |
| inspector | `/metrics` on a port of its own, closed by default | `inspector.metrics_port` |

**Processes.** The processes of one `hookline receiver`, or of one `hookline worker`, share a port. Each answer has
the figures of all of them, distinguished by the label `process`: those of the process that answers are of this
moment, those of the others at most a second old. A process that was started again begins at 0, as Prometheus
expects of a counter.

**Sums.** Metrics with the label `process` may be added up over processes and replicas. Metrics of the whole
installation come from the inspector alone. With several inspectors, scrape one of them, or take the `max()`.

**While Redis is away** the inspector has only `hookline_redis_up`, which is 0. While one of several partitions is
away, counters are left out, because a part of them would look like a counter that was reset, and gauges are those
of the other partitions.

**Labels** have the names of the config: rules, channels, sources. None has a value from a webhook.
"""
TITLES = (
    ("All parts", PROCESS_METRICS),
    ("Receiver", receiver_metrics.METRICS),
    ("Worker", vitals.METRICS),
    ("The whole installation, from the inspector", fleet_metrics.METRICS),
)


def document() -> str:
    """Return the text of the whole page."""
    return "\n".join([HEAD, *_lines()])


def _lines() -> Iterator[str]:
    for title, metrics in TITLES:
        yield f"## {title}\n"
        yield from _table(metrics)
        yield ""
    yield "## Buckets\n"
    yield "| Histogram | Upper bounds |"
    yield "|---|---|"
    for metric in (metric for _, metrics in TITLES for metric in metrics if metric.bounds):
        yield f"| `{metric.name}` | {', '.join(f'{bound:g}' for bound in metric.bounds)} |"
    yield ""


def _table(metrics: Iterable[Metric]) -> Iterator[str]:
    yield "| Metric | Type | Labels | Meaning |"
    yield "|---|---|---|---|"
    for metric in metrics:
        labels = ("process", *metric.labels) if metric.per_process else metric.labels
        named = ", ".join(f"`{label}`" for label in labels)
        yield f"| `{metric.name}` | {metric.kind} | {named} | {metric.text} |"


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
