-- Part: indexing the search terms of a new dead letter.

-- Index the terms of a letter. Returns what removes them again: tokens, each of 3 bytes of a bucket and 4 of the hash;
-- and "" or its place in a block: 4 bytes of the block, 2 of its number, and for each term 1 of the key and 2 of the
-- place among the terms there. The functions are inside, since few scripts that could add letters do: see base.lua.
local function index_terms(id, terms, seed)
  -- For how many buckets a key stands: as many as would give it up to 64 members if all dead letters had so many terms
  -- there. Redis keeps up to 128 members of a key in 28 bytes each, and more of them in 100.
  local function width_for(terms_there)
    local members = (redis.call('ZCARD', K.dead_index) + 1) * terms_there
    local i = 1
    while i < #WIDTHS and members * WIDTHS[i] > 64 * 2 ^ 18 do i = i + 1 end
    return WIDTHS[i]
  end

  -- Add to the end of a value. Returns its new length.
  local function append(key, text)
    local length = redis.pcall('APPEND', key, text)
    if type(length) == 'number' then return length end
    local value = (redis.call('GET', key) or '') .. text -- for a user of Redis that may not run APPEND
    redis.call('SET', key, value)
    return #value
  end

  -- Begin a new block after one that is full or has no letters. Redis leaves room after a value that grew, and none
  -- where it is written at once.
  local function begin_after(last)
    local keys = last.all_keys()
    for i = 1, #keys do
      local value = redis.call('GET', keys[i])
      if value then redis.call('SET', keys[i], value) end
    end
    local block = read_block(last.number + 1)
    redis.call('HSET', K.dead_blocks, 'newest', block.number)
    redis.call('DEL', unpack(block.all_keys()))
    block.had, block.has, block.lowest, block.highest = 0, 0, id, id
    return block
  end

  -- Give the letter the next number in the newest block. Returns the block.
  local function joined()
    local block = read_block(tonumber(redis.call('HGET', K.dead_blocks, 'newest')))
    if not block.had or block.had >= BLOCK_LETTERS then block = begin_after(block) end
    append(block.keys .. 'ids', id)
    block.had, block.has = block.had + 1, block.has + 1
    if id < block.lowest then block.lowest = id end
    if id > block.highest then block.highest = id end
    block.keep()
    return block
  end

  local identities, others, tokens, place = {}, {}, {}, {}
  for i = 1, #terms do
    local is_identity = terms[i]:sub(1, 5) == 'seen:'
    table.insert(is_identity and identities or others, terms[i])
  end
  local width = width_for(#identities)
  for i = 1, #identities do
    local bucket, token = token_of(identities[i], seed)
    bucket = bucket - bucket % width
    redis.call('ZADD', P.dead_find .. bucket, 0, token .. id)
    tokens[i] = struct.pack('>I3', bucket) .. token
  end
  if #others == 0 then return table.concat(tokens), '' end
  local block = joined()
  local number = struct.pack('>I2', block.had - 1)
  for i = 1, #others do
    local bucket, token = token_of(others[i], seed)
    local key = bucket % TERM_KEYS
    local length = append(block.keys .. key, token .. number)
    place[i] = struct.pack('>BI2', key, length / TERM_BYTES - 1)
  end
  return table.concat(tokens), struct.pack('>I4', block.number) .. number .. table.concat(place)
end
