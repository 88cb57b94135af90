-- Part: removing the search terms of a dead letter from the index.

-- Overwrite a part of a value.
local function overwrite(key, before, text)
  if type(redis.pcall('SETRANGE', key, before, text)) == 'number' then return end
  local value = redis.call('GET', key) or '' -- for a user of Redis that may not run SETRANGE
  redis.call('SET', key, value:sub(1, before) .. text .. value:sub(before + #text + 1))
end

-- Remove a letter from its block. place: see indexing.lua. Nothing changes where the block cannot have it.
local function leave_block(id, place)
  local block, number = struct.unpack('>I4I2', place)
  local had, has, lowest, highest = block_at(block)
  if not had or id < lowest or id > highest then return end
  if has <= 1 then
    redis.call('DEL', unpack(keys_of_block(block)))
    redis.call('HDEL', K.dead_blocks, block)
    if redis.call('HLEN', K.dead_blocks) == 1 then redis.call('DEL', K.dead_blocks) end -- only `newest` is left
    return
  end
  for at = 7, #place, 3 do
    local key, index = struct.unpack('>BI2', place, at)
    overwrite(P.dead_terms .. block .. ':' .. key, index * TERM_BYTES, ('\255'):rep(TERM_BYTES))
  end
  overwrite(P.dead_terms .. block .. ':ids', number * ID_BYTES, (' '):rep(ID_BYTES))
  keep_block(block, had, has - 1, lowest, highest)
end

-- Remove what index_terms has added for a letter.
local function unindex_terms(id, tokens, place)
  for i = 1, #tokens, 7 do -- 3 bytes of the bucket, 4 of the hash
    local bucket, token_at = struct.unpack('>I3', tokens, i)
    redis.call('ZREM', P.dead_find .. bucket, tokens:sub(token_at, token_at + 3) .. id)
  end
  if place ~= '' then leave_block(id, place) end
end
