-- Part: indexing the search terms of a new dead letter.

-- For how many buckets a key stands: as many as would give it up to 64 members if all dead letters had so many terms
-- there. Redis keeps up to 128 members of a key in 28 bytes each, and more of them in 100.
local function width_for(terms)
  local members = (redis.call('ZCARD', K.dead_index) + 1) * terms
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

-- Begin a new block after one that is full or has no letters. Redis leaves room after a value that grew, and none where
-- it is written at once.
local function begin_block(last)
  local keys = keys_of_block(last)
  for i = 1, #keys do
    local value = redis.call('GET', keys[i])
    if value then redis.call('SET', keys[i], value) end
  end
  redis.call('HSET', K.dead_blocks, 'newest', last + 1)
  redis.call('DEL', unpack(keys_of_block(last + 1)))
  return last + 1
end

-- Give a letter a number in the newest block, or in a new one. Returns the block and the number.
local function numbered(id)
  local block = tonumber(redis.call('HGET', K.dead_blocks, 'newest'))
  local had, has, lowest, highest = block_at(block)
  if not had or had >= BLOCK_LETTERS then
    block, had, has, lowest, highest = begin_block(block), 0, 0, id, id
  end
  append(P.dead_terms .. block .. ':ids', id)
  keep_block(block, had + 1, has + 1, id < lowest and id or lowest, id > highest and id or highest)
  return block, had
end

-- Index the terms of a letter. Returns what removes them again: tokens, each of 3 bytes of a bucket and 4 of the hash;
-- and "" or its place in a block: 4 bytes of the block, 2 of its number, and for each term 1 of the key and 2 of the
-- place among the terms there.
local function index_terms(id, terms, seed)
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
  local block, number = numbered(id)
  local number_text = struct.pack('>I2', number)
  for i = 1, #others do
    local bucket, token = token_of(others[i], seed)
    local key = bucket % TERM_KEYS
    local length = append(P.dead_terms .. block .. ':' .. key, token .. number_text)
    place[i] = struct.pack('>BI2', key, length / TERM_BYTES - 1)
  end
  return table.concat(tokens), struct.pack('>I4', block) .. number_text .. table.concat(place)
end
