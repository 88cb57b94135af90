"""Traces of real processes, exported by OTLP to a server of the test; and the setting that switches them on."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from launcher.config import checks
from launcher.config.config import read
from launcher.errors import ConfigError
from tests.launcher.stack import Stack
from tests.redis_server import RedisServer
from tests.until import until

CONFIG = """
[telemetry]
traces = true

[sources.voucherify]
secrets = ["file:key"]

[[rules]]
name = "to-console"
events = ["*"]
channel = "console"
text = "something happened"
"""


def test_traces_without_the_extra_are_a_fault_of_the_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "find_spec", lambda _: None)
    with pytest.raises(ConfigError) as fault:
        read({"telemetry": {"traces": True}}, {})
    assert "telemetry.traces" in str(fault.value)
    assert "pip install 'hookline[otel]'" in str(fault.value)
    assert read({"telemetry": {"traces": False}}, {})


@pytest.mark.usefixtures("redis")
async def test_receiver_and_worker_export_one_trace_and_end_cleanly(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    trace_service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    exported: dict[str, list[Any]] = {}

    async def collect(request: web.Request) -> web.Response:
        message = trace_service.ExportTraceServiceRequest.FromString(await request.read())
        for of_resource in message.resource_spans:
            service = next(
                one.value.string_value for one in of_resource.resource.attributes if one.key == "service.name"
            )
            spans = [span for scope in of_resource.scope_spans for span in scope.spans]
            exported.setdefault(service, []).extend(spans)
        return web.Response(body=trace_service.ExportTraceServiceResponse().SerializeToString())

    app = web.Application()
    app.router.add_post("/v1/traces", collect)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    collector = f"http://127.0.0.1:{runner.addresses[0][1]}"
    stack = Stack(tmp_path, redis_server, OTEL_EXPORTER_OTLP_ENDPOINT=collector, OTEL_BSP_SCHEDULE_DELAY="200")
    stack.configure(CONFIG)
    secret = stack.write_secret("key", "secret-of-this-test")
    try:
        running = await stack.start("up")
        assert await stack.post("voucherify", secret) == 202
        await until(lambda: len(exported.get("hookline-worker", ())) == 3 and exported.get("hookline-receiver"))
        received, *rest = exported["hookline-receiver"] + exported["hookline-worker"]
        assert {span.trace_id for span in rest} == {received.trace_id}
        assert {span.parent_span_id for span in rest} == {received.span_id}
        assert {span.name for span in rest} == {"intake of a batch", "intake voucherify", "notify console"}
        await runner.cleanup()  # an export that fails must not keep a process from its end
        assert await stack.post("voucherify", secret, 2) == 202
        running.signal(signal.SIGINT)
        assert await running.ends() == 0
        assert "Traceback" not in running.output
    finally:
        stack.kill()
        await runner.cleanup()
