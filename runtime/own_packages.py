"""The names of Hookline's top-level packages, which a user's module must not have."""

from __future__ import annotations

OWN_PACKAGES = ("runtime", "sources", "broker", "receiver", "worker", "inspector", "launcher", "hookline")
