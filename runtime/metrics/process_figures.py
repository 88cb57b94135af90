"""The metrics that every process has: its version, whether it is ready, and what it takes of the machine."""

from __future__ import annotations

import platform
from importlib.metadata import version

from prometheus_client.process_collector import ProcessCollector

from runtime.metrics.declaration import Metric, Sample, Samples

READY = Metric("hookline_ready", "gauge", "1 if the process is ready, as /readyz says")
BUILD_INFO = Metric(
    "hookline_build_info",
    "gauge",
    "1, with the version of Hookline and of Python as labels",
    ("version", "python_version", "part"),
    per_process=False,
)
PROCESS_METRICS = (
    BUILD_INFO,
    READY,
    Metric("process_cpu_seconds_total", "counter", "CPU time that the process has used, in seconds"),
    Metric("process_resident_memory_bytes", "gauge", "Memory that the process has, in bytes"),
    Metric("process_virtual_memory_bytes", "gauge", "Address space of the process, in bytes"),
    Metric("process_open_fds", "gauge", "File descriptors that are open"),
    Metric("process_max_fds", "gauge", "Limit on the open file descriptors"),
    Metric("process_start_time_seconds", "gauge", "When the process started, in seconds since 1970"),
)


def build_info(part: str) -> Samples:
    """Return the versions of this process; `part` is receiver, worker or inspector."""
    return {BUILD_INFO.name: [Sample(1.0, (version("hookline"), platform.python_version(), part))]}


def figures_of(pid: int) -> Samples:
    """Return CPU time, memory and files of a process of this machine; nothing on systems without /proc."""
    return {
        sample.name: [Sample(sample.value)]
        for family in ProcessCollector(pid=lambda: pid, registry=None).collect()
        for sample in family.samples
    }
