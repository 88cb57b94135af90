"""The index of search terms: every letter is found by its terms, and nothing of a removed letter stays."""

import hashlib

import msgspec

from broker import dead_letters
from broker.erasure import letter_rewrites
from broker.redis.client import Client
from broker.redis.scripting.scripts import as_text
from tests.broker.dead_letters.test_dead_letters import stored_letter
from tests.inspector.stack import add_stored
from tests.names import KEYS
from tests.redis_server import RedisServer
from tests.redis_users import limited

BLOCK_LETTERS = 2048
"""How many letters a block has: see broker/dead_letters/lua/terms/blocks.lua."""


async def test_a_term_finds_its_letters_newest_first_and_no_others(redis: Client) -> None:
    stored_letters = [
        stored_letter(number, terms=["all", "even" if number % 2 == 0 else "odd"]) for number in range(9)
    ]
    await add_stored(redis, stored_letters)
    newest = sorted((one.letter.id for one in stored_letters), reverse=True)

    everything = await dead_letters.search(redis, "all", count=100)
    first = await dead_letters.search(redis, "all", count=4)
    rest = await dead_letters.search(redis, "all", below=first[-1].id, count=100)
    even = await dead_letters.search(redis, "even", count=100)

    assert [row.id for row in everything] == newest
    assert [row.id for row in (*first, *rest)] == newest
    assert {row.id for row in even} == {one.letter.id for one in stored_letters[0::2]}
    assert await dead_letters.search(redis, "al", count=10) == []


async def test_identities_are_found_that_were_indexed_among_few_letters_and_among_many(redis: Client) -> None:
    identities = [f"seen:{number}" for number in range(240)]
    found, keys_of_terms = [], []
    for others in (0, 300, 2_000, 10_000):  # with 240 identities each: other widths of the keys
        if others:
            await redis.zadd(KEYS.dead_index, {f"other-{number}": 1 for number in range(others)})
        dying = stored_letter(others, terms=identities)
        await add_stored(redis, [dying])
        found.insert(0, dying.letter.id)
        keys_of_terms.append(len([key async for key in redis.scan_iter(KEYS.dead_find + "[0-9]*", count=5000)]))

    first = await dead_letters.search(redis, "seen:7", count=3)
    rest = await dead_letters.search(redis, "seen:7", below=first[-1].id, count=3)

    assert [row.id for row in (*first, *rest)] == found
    assert sorted(set(keys_of_terms)) == keys_of_terms, "each was indexed in further keys"
    await dead_letters.discard(redis, [row.letter for row in (*first, *rest) if row.letter])
    assert [key async for key in redis.scan_iter(KEYS.dead_find + "*", count=5000)] == [
        KEYS.dead_find_key.encode()
    ]


async def test_terms_are_found_in_full_blocks_and_in_the_newest_in_the_order_of_ids(redis: Client) -> None:
    stored_letters = [
        stored_letter(number, terms=["all", f"number-{number}", f"order-{number % 1000}"])
        for number in range(BLOCK_LETTERS + 60)
    ]
    late = stored_letters.pop(30)
    for start in range(0, len(stored_letters), 500):
        await add_stored(redis, stored_letters[start : start + 500])
    await add_stored(redis, [late])  # as an import does: an old id in the newest block
    newest = sorted((one.letter.id for one in (*stored_letters, late)), reverse=True)
    assert await redis.hlen(KEYS.dead_blocks) == 1 + 2  # type: ignore[misc]

    found: list[str] = []
    while page := await dead_letters.search(redis, "all", below=found[-1] if found else "", count=700):
        found += [row.id for row in page]

    assert found == newest
    assert [row.id for row in await dead_letters.search(redis, "number-2077", count=9)] == [
        stored_letters[2076].letter.id
    ]
    assert len(await dead_letters.search(redis, "order-30", count=9)) == 3


async def test_terms_of_removed_letters_are_overwritten_and_blocks_end_with_their_last_letter(
    redis: Client,
) -> None:
    stored_letters = [stored_letter(number, terms=["all", f"number-{number}"]) for number in range(100)]
    await add_stored(redis, stored_letters)
    kept = stored_letters.pop(50)
    before = await _blocks(redis)

    assert await dead_letters.discard(redis, [one.letter for one in stored_letters]) == 99

    after = await _blocks(redis)
    assert await dead_letters.search(redis, "number-7", count=9) == []
    assert [row.id for row in await dead_letters.search(redis, "all", count=9)] == [kept.letter.id]
    left = sum(after[name][at : at + 6] == before[name][at : at + 6] for name, at in _terms(before))
    assert left == 2, "the terms of the letter that was kept"
    assert after[b"ids"].split() == [kept.letter.id.encode()]
    await dead_letters.discard(redis, [kept.letter])
    assert not await _blocks(redis)
    assert not await redis.exists(KEYS.dead_blocks)


async def test_letters_whose_terms_an_earlier_version_indexed_are_found_and_removed(redis: Client) -> None:
    dying = stored_letter(1, terms=["cust_1"])
    await add_stored(redis, [dying])
    name, key = KEYS.dead + dying.letter.id, await redis.get(KEYS.dead_find_key) or b""
    digest = hashlib.sha1(key + hashlib.sha1(key + b"cust_1").hexdigest().encode()).hexdigest()
    bucket, token = int(digest[:5], 16) % 2**18, bytes.fromhex(digest[5:13])
    dimensions, dictionary, _, letter, body, _ = msgspec.msgpack.decode(
        await redis.get(name) or b"", type=tuple[msgspec.Raw, ...]
    )
    tokens = as_text(bucket.to_bytes(3) + token)
    await redis.set(name, msgspec.msgpack.encode([dimensions, dictionary, tokens, letter, body]))
    await redis.zadd(KEYS.dead_find + str(bucket), {token + dying.letter.id.encode(): 0})
    await redis.delete(
        KEYS.dead_blocks, *[KEYS.dead_terms + "1:" + part.decode() for part in await _blocks(redis)]
    )

    assert [row.id for row in await dead_letters.search(redis, "cust_1", count=9)] == [dying.letter.id]
    assert await dead_letters.discard(redis, [dying.letter]) == 1
    assert not await redis.exists(KEYS.dead_find + str(bucket))


async def test_terms_of_a_letter_that_is_packed_again_go_with_it(redis: Client) -> None:
    stored_letters = [stored_letter(number, terms=["all", f"number-{number}"]) for number in range(2)]
    await add_stored(redis, stored_letters)
    [dictionary] = await letter_rewrites.dictionaries(redis, lambda _: True)
    seen = await letter_rewrites.seen(redis, [one.letter.id for one in stored_letters])

    assert await letter_rewrites.repack(redis, dictionary, stored_letters, seen) >= 1
    assert len(await dead_letters.search(redis, "all", count=9)) == 2
    await dead_letters.discard(redis, [one.letter for one in stored_letters])
    assert not await _blocks(redis)


async def test_a_user_of_redis_that_may_not_change_parts_of_values_indexes_terms_too(
    redis: Client, redis_server: RedisServer
) -> None:
    stored_letters = [stored_letter(number, terms=["all", f"number-{number}"]) for number in range(3)]
    async with limited(redis_server, "~*", "+@all", "-append", "-setrange") as earlier:
        await add_stored(earlier, stored_letters)
        await dead_letters.discard(earlier, [stored_letters[0].letter])

    found = await dead_letters.search(redis, "all", count=9)
    assert {row.id for row in found} == {one.letter.id for one in stored_letters[1:]}


async def test_the_index_does_not_reveal_search_terms(redis: Client) -> None:
    await add_stored(redis, [stored_letter(1, terms=["ada@example.com"])])

    assert not [key async for key in redis.scan_iter("*") if b"ada" in key]
    assert all(b"ada" not in value for value in (await _blocks(redis)).values())


async def test_a_search_before_the_first_dead_letter_finds_nothing(redis: Client) -> None:
    assert await dead_letters.search(redis, "cust_1", count=10) == []
    assert not await redis.exists(KEYS.dead_find_key)


async def _blocks(redis: Client) -> dict[bytes, bytes]:
    """Return the values of the only block, by the end of their keys."""
    names = [name async for name in redis.scan_iter(KEYS.dead_terms + "*", count=1000)]
    return {name.rpartition(b":")[2]: await redis.get(name) or b"" for name in names}


def _terms(block: dict[bytes, bytes]) -> list[tuple[bytes, int]]:
    """Return the key and the place of each term of a block."""
    return [(name, at) for name, value in block.items() if name != b"ids" for at in range(0, len(value), 6)]
