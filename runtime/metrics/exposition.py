"""Prometheus text: the samples of processes in the form that /metrics returns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from runtime.metrics.declaration import Metric, Sample, Samples

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def prometheus_text(declared: Iterable[Metric], by_process: Mapping[int, Samples], shared: Samples) -> bytes:
    """Return the samples of these metrics as Prometheus text.

    by_process: the samples of metrics with the label `process`, by its value. shared: the samples of the others.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(list(_families(declared, by_process, shared))))
    return generate_latest(registry)


class _Families(Collector):
    def __init__(self, families: list[Family]) -> None:
        self._families = families

    def collect(self) -> list[Family]:
        return self._families


def _families(declared: Iterable[Metric], by_process: Mapping[int, Samples], shared: Samples) -> Iterator[Family]:
    for metric in declared:
        if metric.per_process:
            samples = [
                (sample, (str(process), *sample.labels))
                for process, of_process in by_process.items()
                for sample in of_process.get(metric.name, ())
            ]
        else:
            samples = [(sample, tuple(sample.labels)) for sample in shared.get(metric.name, ())]
        if samples:
            yield _family(metric, samples)


def _family(metric: Metric, samples: list[tuple[Sample, tuple[str, ...]]]) -> Family:
    labels = ("process", *metric.labels) if metric.per_process else metric.labels
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(metric.name, metric.text, labels=labels)
        for sample, values in samples:
            histogram.add_metric(values, _buckets(metric.bounds, sample.counts), sample.value)
        return histogram
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.text, labels=labels)
    for sample, values in samples:
        family.add_metric(values, sample.value)
    return family


def _buckets(bounds: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    buckets, so_far = [], 0
    for bound, count in zip((*map(floatToGoString, bounds), "+Inf"), counts, strict=True):
        so_far += count
        buckets.append((bound, float(so_far)))
    return buckets
