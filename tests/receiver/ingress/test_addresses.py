"""Tests of the allow-list on real sockets: names of regions, proxies, and senders that claim another address."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pytest
from multidict import CIMultiDict

from broker.monitoring.stats import read_totals
from broker.redis.client import Client
from receiver.errors import BadAddressError, RejectedError
from receiver.ingress.source_verifier import source_verifiers
from sources import KINDS
from sources.settings import Settings as SourceSettings
from tests.receiver.serving import SECRET, serving, stored
from tests.until import until

EU1 = KINDS["voucherify"].addresses["eu1"][0]
CLIENT = "203.0.113.7"
SOURCES = {
    "europe": SourceSettings(secrets=(SECRET,), addresses=("eu1", "2001:db8::/32")),
    "local": SourceSettings(secrets=(SECRET,), addresses=("127.0.0.1",)),
    "open": SourceSettings(secrets=(SECRET,)),
}


def headers(*pairs: tuple[str, str]) -> CIMultiDict[str]:
    return CIMultiDict(pairs)


@pytest.mark.parametrize("region", ["eu1", "us1", "as1"])
def test_the_name_of_a_region_allows_the_addresses_of_the_provider_there_and_no_others(region: str) -> None:
    known = KINDS["voucherify"].addresses
    gate = source_verifiers({"shop": SourceSettings(secrets=(SECRET,), addresses=(region,))})["shop"]

    for address in known[region]:
        gate.check_address(address, CIMultiDict())
    for other in set(known) - {region}:
        with pytest.raises(RejectedError):
            gate.check_address(known[other][0], CIMultiDict())


def test_a_proxy_that_is_not_a_network_prevents_the_start() -> None:
    with pytest.raises(BadAddressError, match=r"receiver\.trusted_proxies.*nginx"):
        source_verifiers(SOURCES, ["nginx"])


CLAIMS: list[Sequence[tuple[str, str]]] = [
    [("X-Forwarded-For", EU1)],
    [("Forwarded", f"for={EU1}")],
    [("X-Forwarded-For", EU1), ("Forwarded", f"for={EU1}")],
    [("X-Forwarded-For", EU1)] * 3,
    [("X-Real-IP", EU1), ("Client-IP", EU1), ("Via", EU1)],
]


@pytest.mark.parametrize("claim", CLAIMS, ids=repr)
async def test_an_unknown_client_that_claims_an_allowed_address_is_refused(
    redis: Client, claim: Sequence[tuple[str, str]]
) -> None:
    for trusted in ((), ("10.0.0.0/8",)):
        async with serving(redis, SOURCES, trusted_proxies=trusted) as served:
            assert (await served.send(path="/webhooks/europe", headers=headers(*claim))).status == 403
    assert await stored(redis) == []


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ([("X-Forwarded-For", EU1)], 202),
        ([("X-Forwarded-For", f"{CLIENT}, {EU1}, 127.0.0.9")], 202),
        ([("Forwarded", f'for="{EU1}:443";proto=https')], 202),
        ([("Forwarded", 'for="[2001:db8::5]:443"')], 202),
        ([("X-Forwarded-For", EU1), ("Forwarded", f"for={EU1}")], 202),
        ([("X-Forwarded-For", CLIENT)], 403),
        ([("X-Forwarded-For", f"{EU1}, {CLIENT}")], 403),
        ([("X-Forwarded-For", EU1), ("X-Forwarded-For", CLIENT)], 403),
        ([("X-Forwarded-For", CLIENT), ("Forwarded", f"for={EU1}")], 403),
        ([("X-Forwarded-For", f"{EU1}, unknown")], 403),
        ([("Forwarded", f'for={EU1};x="')], 403),
        ([], 403),
    ],
    ids=repr,
)
async def test_behind_a_trusted_proxy_the_client_is_the_one_that_the_proxy_names(
    redis: Client, sent: Sequence[tuple[str, str]], status: int
) -> None:
    async with serving(redis, SOURCES, trusted_proxies=("127.0.0.0/8",)) as served:
        assert (await served.send(path="/webhooks/europe", headers=headers(*sent))).status == status
    assert len(await stored(redis)) == (status == 202)


async def test_headers_do_not_exclude_an_allowed_client(redis: Client) -> None:
    async with serving(redis, SOURCES) as served:
        for path in ("/webhooks/local", "/webhooks/open"):
            rubbish = headers(("X-Forwarded-For", CLIENT), ("Forwarded", 'for="'))
            assert (await served.send(path=path, headers=rubbish)).status == 202


async def test_a_long_header_does_not_bypass_the_allow_list(redis: Client) -> None:
    async with serving(redis, SOURCES, trusted_proxies=("127.0.0.1",)) as served:
        for claim in (f"{'x' * 300}, {EU1}", f"{EU1},{'y' * 300}, {CLIENT}", f"{'z' * 3000}, {EU1}"):
            status = 202 if claim.startswith("x") else 403
            claimed = headers(("X-Forwarded-For", claim))
            assert (await served.send(path="/webhooks/europe", headers=claimed)).status == status


async def test_refused_addresses_are_counted_and_logged_once_a_second_with_the_remedy(
    redis: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "hookline.receiver")
    async with serving(redis, SOURCES) as served:
        for _ in range(20):
            await served.send(path="/webhooks/europe", headers=headers(("X-Forwarded-For", CLIENT)))

        async def counted() -> bool:
            return (await read_totals(redis)).refused == {"403": 20}

        await until(counted)

    lines: list[Any] = [record for record in caplog.records if getattr(record, "action", "") == "webhook_refused"]
    assert 1 <= len(lines) <= 3
    assert sum(line.count for line in lines) == 20
    assert {(line.status, line.source, line.address) for line in lines} == {(403, "europe", "127.0.0.1")}
    assert "sources.europe.addresses, or in receiver.trusted_proxies" in lines[0].getMessage()
    assert CLIENT not in caplog.text  # input of unknown clients is not logged
