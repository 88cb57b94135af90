"""Requests to the provider's API: the outcome of each answer, caching and rate limits."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from sources.api import LookUp
from sources.voucherify.api import API
from tests.customers_api import TOKEN, CustomersApi, running_api
from tests.until import until
from worker.enrichment.provider_api import MAX_ANSWER_BYTES, Answer, ProviderApi
from worker.outcome import Dead, Retry

Open = Callable[..., ProviderApi]


def about(customer_id: str) -> LookUp:
    return LookUp("customer", f"/v1/customers/{customer_id}")


@pytest.fixture
async def api() -> AsyncIterator[CustomersApi]:
    async with running_api() as api:
        api.customers = {f"cust_{n}": {"name": f"Customer {n}"} for n in range(100)}
        yield api


@pytest.fixture
async def client(api: CustomersApi) -> AsyncIterator[Open]:
    opened: list[ProviderApi] = []

    def start(**settings: object) -> ProviderApi:
        opened.append(ProviderApi("shop", api.settings(**settings), API))
        return opened[-1]

    yield start
    for client in opened:
        await client.close()


async def test_a_customer_is_requested_with_both_headers_and_returned_complete(
    api: CustomersApi, client: Open
) -> None:
    result = await client().get(about("cust_1"))

    assert result is not None
    assert isinstance(result, bytes)
    assert b'"Customer 1"' in result
    assert (api.headers["X-App-Id"], api.headers["X-App-Token"]) == ("app-7c1f", TOKEN)


async def test_answers_and_404s_are_cached_for_their_time(api: CustomersApi, client: Open) -> None:
    kept, forgetful = client(), client(cache_s=0)
    for _ in range(3):
        await kept.get(about("cust_1"))
        assert await kept.get(about("absent")) is None
    assert api.ids == ["cust_1", "absent"]
    for _ in range(3):
        await forgetful.get(about("cust_1"))
    assert api.ids == ["cust_1", "absent", *["cust_1"] * 3]


async def test_an_expired_answer_is_requested_again(api: CustomersApi, client: Open) -> None:
    asking = client(cache_s=0.05)

    async def asked_again() -> bool:
        await asking.get(about("cust_1"))
        return len(api.asked) == 2

    await until(asked_again)


async def test_the_cache_is_bounded_and_keeps_recently_used_answers(api: CustomersApi, client: Open) -> None:
    asking = client(cache_size=2)
    for name in ("cust_1", "cust_2", "cust_1", "cust_3", "cust_1", "cust_2"):
        await asking.get(about(name))
    assert api.ids == ["cust_1", "cust_2", "cust_3", "cust_2"]


async def test_concurrent_lookups_of_one_id_share_a_request(api: CustomersApi, client: Open) -> None:
    asking = client()
    results = await asyncio.gather(*(asking.get(about("cust_1")) for _ in range(50)))
    assert len(set(results)) == 1
    assert api.ids == ["cust_1"]


async def test_a_cancelled_lookup_does_not_cancel_the_shared_request(api: CustomersApi, client: Open) -> None:
    release = asyncio.Event()
    api.answer = lambda _id, _times: waiting_for(release)
    asking = client()
    waiters = [asyncio.create_task(asking.get(about("cust_1"))) for _ in range(3)]
    await until(lambda: api.asked)
    waiters[0].cancel()
    await asyncio.wait(waiters[:1])
    release.set()
    assert all([isinstance(await waiter, bytes) for waiter in waiters[1:]])
    assert api.ids == ["cust_1"]


async def test_a_request_whose_callers_all_left_still_answers_the_next_one(
    api: CustomersApi, client: Open
) -> None:
    release = asyncio.Event()
    api.answer = lambda _id, _times: waiting_for(release)
    asking = client()
    waiter = asyncio.create_task(asking.get(about("cust_1")))
    await until(lambda: api.asked)
    waiter.cancel()
    await asyncio.wait([waiter])
    release.set()
    assert isinstance(await asking.get(about("cust_1")), bytes)
    assert api.ids == ["cust_1"]


async def test_a_queued_request_without_callers_is_never_sent(api: CustomersApi, client: Open) -> None:
    release = asyncio.Event()
    api.answer = lambda _id, _times: waiting_for(release)
    asking = client(concurrency=1)
    first = asyncio.create_task(asking.get(about("cust_1")))
    await until(lambda: api.asked)
    second, third = (asyncio.create_task(asking.get(about(name))) for name in ("cust_2", "cust_3"))
    await asyncio.sleep(0)
    second.cancel()
    release.set()
    await asyncio.wait([first, second, third])
    assert api.ids == ["cust_1", "cust_3"]


async def test_requests_keep_to_their_rate(api: CustomersApi, client: Open) -> None:
    asking = client(rate_per_s=20.0, concurrency=20)
    began = time.monotonic()
    await asyncio.gather(*(asking.get(about(f"cust_{n}")) for n in range(40)))
    times = [when for _, when in api.asked]
    assert len(times) == 40
    assert asking._rate.max_rate == 20  # the burst of one second
    # From the first call, as the first request may arrive late.
    assert 0.9 <= times[39] - began <= 15.0


async def test_a_rate_below_one_a_second_spaces_requests(api: CustomersApi, client: Open) -> None:
    asking = client(rate_per_s=0.5)
    assert asking._rate.time_period == 2.0
    await asking.get(about("cust_1"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asking.get(about("cust_2")), 0.2)
    assert api.ids == ["cust_1"]


async def test_concurrent_requests_are_limited(api: CustomersApi, client: Open) -> None:
    async def until_three_are_there(_id: str, times: int) -> None:
        if times >= 3:
            three.set()
        await three.wait()

    three = asyncio.Event()
    api.answer = until_three_are_there
    asking = client(concurrency=3)
    await asyncio.gather(*(asking.get(about(f"cust_{n}")) for n in range(30)))
    assert len(api.asked) == 30
    assert api.most == 3


@pytest.mark.parametrize("status", [408, 409, 421, 423, 425, 429, 500, 502, 503, 504])
async def test_a_temporary_failure_is_retried_and_not_cached(api: CustomersApi, client: Open, status: int) -> None:
    api.answer = lambda _id, times: web.Response(status=status, text=TOKEN) if times == 1 else None
    asking = client()
    assert await asking.get(about("cust_1")) == Retry(
        error=f"looking up the customer: answered {status}", error_class=f"LookUp{status}"
    )
    assert isinstance(await asking.get(about("cust_1")), bytes)


async def test_retry_after_is_returned_and_no_request_is_sent_meanwhile(api: CustomersApi, client: Open) -> None:
    api.answer = lambda _id, _times: web.Response(status=429, headers={"Retry-After": "3600"})
    asking = client()
    first = await asking.get(about("cust_1"))
    assert isinstance(first, Retry)
    assert first.retry_after_s == 3600
    second = await asking.get(about("cust_2"))
    assert isinstance(second, Retry)
    assert second.error == "looking up the customer: the API asked to wait"
    assert 590 < second.retry_after_s <= 600
    assert api.ids == ["cust_1"]


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_names_the_settings_to_check(api: CustomersApi, client: Open, status: int) -> None:
    api.answer = lambda _id, _times: web.Response(status=status, text=f"no such token {TOKEN}")
    result = await client().get(about("cust_1"))
    assert result == Dead(
        reason="misconfigured",
        error=(
            f"looking up the customer: answered {status}: "
            "check sources.shop.api.app_id, sources.shop.api.token and sources.shop.api.region"
        ),
        error_class=f"LookUp{status}",
    )


async def test_a_wrong_token_is_refused(client: Open) -> None:
    result = await client(token="another-token").get(about("cust_1"))
    assert isinstance(result, Dead)
    assert result.reason == "misconfigured"


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 400, 405, 410, 422])
async def test_any_other_answer_is_permanent_and_no_redirect_is_followed(
    api: CustomersApi, client: Open, status: int
) -> None:
    api.answer = lambda _id, _times: web.Response(status=status, headers={"Location": "/v1/customers/cust_2"})
    result = await client().get(about("cust_1"))
    assert result == Dead(
        reason="permanent", error=f"looking up the customer: answered {status}", error_class=f"LookUp{status}"
    )
    assert api.ids == ["cust_1"]


@pytest.mark.parametrize(
    "garbage", [b"", b"<html>", b"[1]", b'"x"', b"null", b'{"a":', b'{"a":"\xff"}', b"[" * 9999]
)
async def test_an_answer_that_is_no_json_object_is_permanent(
    api: CustomersApi, client: Open, garbage: bytes
) -> None:
    api.answer = lambda _id, _times: web.Response(body=garbage)
    result = await client().get(about("cust_1"))
    assert result == Dead(
        reason="permanent",
        error="looking up the customer: the answer is not a JSON object",
        error_class="LookUpNotAnObject",
    )


async def test_a_huge_answer_is_not_read_to_its_end(api: CustomersApi, client: Open) -> None:
    api.answer = lambda _id, _times: web.json_response({"x": "x" * MAX_ANSWER_BYTES})
    result = await client().get(about("cust_1"))
    assert isinstance(result, Dead)
    assert result.error == "looking up the customer: the answer is larger than 64 KB"


async def test_a_compressed_answer_is_not_unpacked(api: CustomersApi, client: Open) -> None:
    def squeezed(_id: str, _times: int) -> web.Response:
        response = web.json_response({"x": "x" * 50_000_000})
        response.enable_compression(web.ContentCoding.gzip)
        return response

    api.answer = squeezed
    assert isinstance(await client().get(about("cust_1")), Dead)
    assert api.headers["Accept-Encoding"] == "identity"


async def test_silence_is_tried_again_after_the_time_out(api: CustomersApi, client: Open) -> None:
    never = asyncio.Event()
    api.answer = lambda _id, _times: waiting_for(never)
    result = await client(timeout_s=0.1).get(about("cust_1"))
    assert result == Retry(
        error="looking up the customer: no answer within 0.1 s", error_class="LookUpTimeoutError"
    )


async def test_an_interrupted_answer_is_retried_and_its_error_shows_no_id(client: Open) -> None:
    async def break_off(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        writer.close()

    async def garbage(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x00\x01 what is this\r\n\r\n")
        writer.close()

    for handler in (break_off, garbage):
        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        passing_without_id(await client(url=f"http://127.0.0.1:{port}").get(about("cust_1")))
        server.close()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}"
        passing_without_id(await client(url=closed).get(about("cust_1")))


def answers_raw(answer: bytes, *, closes: bool) -> Callable[..., Awaitable[None]]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if not closes:
            await reader.read()  # until the client leaves
        writer.close()

    return handle


@pytest.mark.parametrize("closes", [True, False])
@pytest.mark.parametrize(
    "after_status",
    [
        b"Content-Length: 100\r\n\r\n{",
        b"Content-Length: 0\r\nContent-Length: 0\r\n\r\nx",
        b"X-Bad : \x00\r\n\r\n",
        b"X-",
    ],
)
async def test_the_status_counts_even_if_the_rest_of_an_answer_fails(
    client: Open, after_status: bytes, closes: bool
) -> None:
    found: list[Answer] = []
    for status in (b"404 Not Found", b"403 Forbidden", b"503 Busy\r\nRetry-After: 2.5", b"410 Gone", b"200 OK"):
        handler = answers_raw(b"HTTP/1.1 " + status + b"\r\n" + after_status, closes=closes)
        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        found.append(await client(url=f"http://127.0.0.1:{port}", timeout_s=1.0).get(about("cust_1")))
        server.close()
    unknown, refused, busy, gone, cut = found
    assert unknown is None
    assert isinstance(refused, Dead)
    assert refused.reason == "misconfigured"
    assert isinstance(busy, Retry)
    assert (busy.error_class, busy.retry_after_s) == ("LookUp503", 2.5)
    assert isinstance(gone, Dead)
    assert gone.error_class == "LookUp410"
    passing_without_id(cut)


async def test_requests_have_our_user_agent_and_the_quoted_id(api: CustomersApi, client: Open) -> None:
    await client().get(LookUp("customer", "/v1/customers/a%2Fb%27%7E"))
    assert api.headers["User-Agent"].startswith("Hookline/")
    assert api.paths == ["/v1/customers/a%2Fb%27%7E"]


async def test_a_proxy_that_cannot_be_used_is_misconfigured(client: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "socks5://proxy:1080")
    result = await client(url="http://api.invalid").get(about("cust_1"))
    assert isinstance(result, Dead)
    assert (result.reason, "proxy" in result.error) == ("misconfigured", True)


async def test_a_url_with_a_path_is_kept_as_a_prefix(api: CustomersApi, client: Open) -> None:
    await client(url=f"{api.url}/").get(about("cust_1"))
    assert await client(url=f"{api.url}/proxy").get(about("cust_1")) is None
    assert api.ids == ["cust_1"]


async def test_closing_cancels_running_requests(api: CustomersApi) -> None:
    never = asyncio.Event()
    api.answer = lambda _id, _times: waiting_for(never)
    asking = ProviderApi("shop", api.settings(), API)
    waiter = asyncio.create_task(asking.get(about("cust_1")))
    await until(lambda: api.asked)
    await asking.close()
    assert waiter.cancelled() or await asyncio.wait([waiter])


def passing_without_id(found: Answer) -> None:
    assert isinstance(found, Retry)
    assert "cust_1" not in found.error


async def waiting_for(event: asyncio.Event) -> web.StreamResponse | None:
    await event.wait()
    return None
