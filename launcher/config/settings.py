"""The sections of the config that belong to no other package: `[up]`, `[telemetry]` and `[log]`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct


class UpSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of `hookline up`, the `[up]` section."""

    data_dir: str = ".hookline"
    """Directory of the embedded Redis and of the secrets that `up` generates, relative to the working directory.
    It is created for this user alone; an existing directory that other users may enter is rejected."""


class TelemetrySettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of traces, the `[telemetry]` section. The standard variables OTEL_... set the rest, such as
    OTEL_EXPORTER_OTLP_ENDPOINT."""

    traces: bool = False
    """True if to trace webhooks, from their request to their notifications, and to send the traces by OTLP over
    HTTP. Needs the extra `otel`. Set it for receivers and workers."""

    sample_ratio: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """Share of the webhooks that are traced, 0 to 1, of those that come without a trace context of their own. The
    variable OTEL_TRACES_SAMPLER wins over it."""


class LogSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of the log lines on stderr, the `[log]` section."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level that is logged. Events below it are left out."""

    format: Literal["auto", "json", "text"] = "auto"
    """json writes one JSON line for each event, text writes lines for people; auto writes text to a terminal and
    JSON to anything else."""
