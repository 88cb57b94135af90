"""Schema drift, from samples of real webhooks to the report."""

import json
from collections.abc import Callable
from typing import Any

from broker.monitoring import drift as noted
from broker.monitoring import stats
from broker.monitoring.alerts import current_alerts
from broker.monitoring.drift import MAX_FIELDS, Deviation
from broker.redis.client import Client
from sources import KINDS
from tests.names import KEYS
from tests.until import until
from tests.worker.conftest import POINTS_ADDED, send, wait_until_idle, webhook
from tests.worker_process import WorkerProcess
from worker.monitoring.alerts import Alerts
from worker.monitoring.drift import Drift
from worker.settings import AlertSettings


def changed(number: int, change: Callable[[dict[str, Any]], None], event: str = POINTS_ADDED) -> bytes:
    body = json.loads(webhook(number))
    body["event"]["type"] = event
    change(body["data"])
    return json.dumps(body).encode()


def watching(redis: Client, *, every: int = 1) -> Drift:
    alerts = Alerts(redis, None, AlertSettings())
    return Drift(redis, {"voucherify": KINDS["voucherify"]}, alerts, every=every)


async def of_voucherify(redis: Client) -> dict[Deviation, int]:
    return (await noted.read(redis, ["voucherify"]))["voucherify"]


async def test_a_webhook_that_fits_its_model_shows_no_drift(redis: Client) -> None:
    drift = watching(redis)
    for number in range(5):
        drift.note_event("voucherify", POINTS_ADDED, webhook(number))
    await drift.check()
    assert await of_voucherify(redis) == {Deviation(POINTS_ADDED): 5}
    assert await current_alerts(redis, now_ms=0) == []


async def test_new_missing_and_changed_keys_are_counted_and_a_changed_type_is_logged_once(redis: Client) -> None:
    def change(data: dict[str, Any]) -> None:
        data["campaign"]["colour"] = "red"
        data["voucher"]["code"] = 17

    drift = watching(redis)
    for number in range(3):
        drift.note_event("voucherify", POINTS_ADDED, changed(number, change))
    await drift.check()
    counts = await of_voucherify(redis)
    assert counts[Deviation(POINTS_ADDED, "unknown key", "$.data.campaign.colour", "", "string")] == 3
    [type_changed] = [deviation for deviation in counts if deviation.what == "changed type"]
    assert (await stats.read_totals(redis)).drift == 6
    assert (type_changed.path, type_changed.found) == ("$.data.voucher.code", "integer")
    [alert] = await current_alerts(redis, now_ms=0)
    assert alert.kind == "drift"
    assert "$.data.voucher.code is integer" in alert.text


async def test_an_event_name_without_a_model_is_logged_when_first_seen(redis: Client) -> None:
    drift = watching(redis)
    drift.note_event("voucherify", "moon.phase.changed", b"{}")
    await drift.check()
    assert Deviation("moon.phase.changed", "unknown event") in await of_voucherify(redis)
    [alert] = await current_alerts(redis, now_ms=0)
    assert "moon.phase.changed" in alert.text


async def test_only_the_first_event_of_a_name_and_every_nth_are_sampled(redis: Client) -> None:
    drift = watching(redis, every=10)
    for number in range(25):
        drift.note_event("voucherify", POINTS_ADDED, webhook(number))
    await drift.check()
    assert (await of_voucherify(redis))[Deviation(POINTS_ADDED)] == 3


async def test_what_is_kept_is_bounded_and_expires(redis: Client) -> None:
    await noted.note(redis, "s", {Deviation(f"event-{n}"): 1 for n in range(MAX_FIELDS)})
    fresh = await noted.note(redis, "s", {Deviation("one-more"): 1, Deviation("event-1"): 1})
    assert fresh == []
    assert (await noted.read(redis, ["s"]))["s"][Deviation("event-1")] == 2
    assert 0 < await redis.ttl(KEYS.drift + "s") <= 30 * 86_400


async def test_a_running_worker_samples_what_it_takes_in(
    redis: Client, worker: Callable[..., WorkerProcess]
) -> None:
    worker()
    await send(redis, changed(1, lambda data: data.update(extra=1)), webhook(2))
    await wait_until_idle(redis)

    async def seen() -> bool:
        return Deviation(POINTS_ADDED, "unknown key", "$.data.extra", "", "integer") in await of_voucherify(redis)

    await until(seen)


async def test_samples_of_a_source_that_left_the_config_are_released(redis: Client) -> None:
    drift = watching(redis)
    drift.note_event("voucherify", POINTS_ADDED, webhook(1))
    drift.reload({"shop": KINDS["voucherify"]})
    drift.note_event("shop", POINTS_ADDED, webhook(2))

    await drift.check()

    assert await noted.read(redis, ["voucherify", "shop"]) == {
        "voucherify": {},
        "shop": {Deviation(POINTS_ADDED): 1},
    }
