"""The same queue, sink and workers as in the worker's tests."""

from tests.worker.conftest import sink, worker

__all__ = ["sink", "worker"]
