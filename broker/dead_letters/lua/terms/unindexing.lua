-- Part: removing the search terms of a dead letter from the index.

-- Remove what index_terms has added for a letter. Nothing of a block changes that cannot have the letter. The functions
-- are inside, since few scripts that could remove letters do: see base.lua.
local function unindex_terms(id, tokens, place)
  -- Overwrite a part of a value.
  local function overwrite(key, before, text)
    if type(redis.pcall('SETRANGE', key, before, text)) == 'number' then return end
    local value = redis.call('GET', key) or '' -- for a user of Redis that may not run SETRANGE
    redis.call('SET', key, value:sub(1, before) .. text .. value:sub(before + #text + 1))
  end

  local function leave_block(number, letter)
    local block = read_block(number)
    if not block.had or id < block.lowest or id > block.highest then return end
    if block.has <= 1 then
      redis.call('DEL', unpack(block.all_keys()))
      redis.call('HDEL', K.dead_blocks, number)
      if redis.call('HLEN', K.dead_blocks) == 1 then redis.call('DEL', K.dead_blocks) end -- only `newest` is left
      return
    end
    for at = 7, #place, 3 do
      local key, index = struct.unpack('>BI2', place, at)
      overwrite(block.keys .. key, index * TERM_BYTES, ('\255'):rep(TERM_BYTES))
    end
    overwrite(block.keys .. 'ids', letter * ID_BYTES, (' '):rep(ID_BYTES))
    block.has = block.has - 1
    block.keep()
  end

  for i = 1, #tokens, 7 do -- 3 bytes of the bucket, 4 of the hash
    local bucket, token_at = struct.unpack('>I3', tokens, i)
    redis.call('ZREM', P.dead_find .. bucket, tokens:sub(token_at, token_at + 3) .. id)
  end
  if place ~= '' then leave_block(struct.unpack('>I4I2', place)) end
end
