"""Fixtures for queue, sink and workers, shared with the worker's tests."""

from tests.worker.conftest import sink, worker

__all__ = ["sink", "worker"]
