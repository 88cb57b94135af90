"""The names of Hookline's top-level packages, which no module of a user's can have."""

from __future__ import annotations

OWN_PACKAGES = ("runtime", "sources", "broker", "receiver", "worker", "inspector", "launcher", "hookline")
