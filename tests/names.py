"""The names of Hookline's keys in the namespace that tests use."""

from __future__ import annotations

from broker.redis.keys import Names

KEYS = Names()
