"""The keys of what people and alerts read: counters, audit entries, alerts, and what is wrong."""

from __future__ import annotations

from typing import Annotated

from broker.redis.declared_keys.key import CONTROL, Key


class MonitoringKeys:
    """A part of `broker.redis.keys.Names`."""

    audit: Annotated[str, Key("audit", "stream", "inspector", bound="about 100,000 entries")]
    """Audit entries: who did what. Each is in the partition of what was changed, otherwise in partition 0."""
    source: Annotated[str, Key("source:{name}", "hash", "receiver, worker", bound="one for each source")]
    """Recent answers to the webhooks of a source: see broker/monitoring/source_health.py."""
    alert: Annotated[
        str,
        Key("alert:{kind}:{source}", "string", "worker, inspector", expires="alerts.period_s", home=CONTROL),
    ]
    """The mark of an alert that was sent and is not repeated yet."""
    alert_lease: Annotated[str, Key("alert:lease", "string", "worker", expires="seconds", home=CONTROL)]
    """The lease of the worker that checks the alert conditions."""
    alerts: Annotated[str, Key("alerts", "hash", "worker, inspector", bound="one for each alert", home=CONTROL)]
    """The active alerts by {kind}:{source}."""
    drift: Annotated[str, Key("drift:{source}", "hash", "worker", expires="a month", home=CONTROL)]
    """Deviations of payloads from their models: see broker/monitoring/drift.py."""
    installation: Annotated[
        str,
        Key(
            "installation",
            "hash",
            "receiver, worker, hookline redis accept-sources",
            bound="one for each source",
            home=CONTROL,
        ),
    ]
    """The sources of the owner of the namespace: see broker/namespace/installation.py."""
    clocks: Annotated[str, Key("clocks", "hash", "receiver, worker, inspector", expires="a day", home=CONTROL)]
    """Processes on hosts with a wrong clock: see broker/redis/clock.py."""
    spilled: Annotated[str, Key("spilled", "hash", "receiver", expires="a week", home=CONTROL)]
    """How many webhooks receivers keep on disk, by host:directory."""
    probe: Annotated[str, Key("probe", "string", "receiver, worker", expires="a minute")]
    """A value that is written to check that Redis accepts writes."""
    stats_total: Annotated[
        str, Key("stats:total", "hash", "receiver, worker, inspector", bound="one for each counter")
    ]
    """Counters since the beginning, and the gauges queued and waiting."""
    stats_minute: Annotated[str, Key("stats:{minute}", "hash", "receiver, worker, inspector", expires="two days")]
    """The counters of one minute since 1970."""
    series: Annotated[
        str,
        Key(
            "series:{minutes}:{number}",
            "hash",
            "worker",
            expires="two hours to 26 hours",
            bound="50 channels and 50 sources of each worker",
            home=CONTROL,
        ),
    ]
    """Counts by channel and by source of one span of so many minutes: see broker/monitoring/series.py."""
    set_aside: Annotated[
        str, Key("set-aside", "zset", "receiver, worker, inspector", bound="until a person deletes them")
    ]
    """Names of the keys that were set aside, by the time of moving."""
    set_aside_of: Annotated[
        str, Key("set-aside:{us}:{name}", "any", "receiver, worker, inspector", bound="until a person deletes it")
    ]
    """A value that Hookline never writes, moved here from the key {name} at a time in microseconds."""
