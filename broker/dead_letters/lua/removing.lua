-- Part: removing dead letters.

-- One letter less is packed against a dictionary; without letters the dictionary is removed.
local function release_dictionary(dictionary)
  if redis.call('HINCRBY', K.dead_dicts, dictionary, -1) <= 0 then
    redis.call('HDEL', K.dead_dicts, dictionary)
    redis.call('DEL', P.dead_dict .. dictionary)
  end
end

-- Remove a dead letter with its notes and its place in every index. Returns 1, or 0 where it did not exist.
local function remove_dead_letter(id)
  local dimensions, dictionary, tokens, _, _, place = stored(id)
  if not dimensions then -- perhaps only its index entry is left
    redis.call('ZREM', K.dead_index, id)
    return 0
  end
  redis.call('DEL', P.dead .. id, P.dead_notes .. id)
  redis.call('ZREM', K.dead_index, id)
  redis.call('ZREM', P.dead_by .. dimensions, id)
  if redis.call('EXISTS', P.dead_by .. dimensions) == 0 then redis.call('HDEL', K.dead_dimensions, dimensions) end
  if dictionary ~= '' then release_dictionary(dictionary) end
  unindex_terms(id, tokens, place)
  redis.call('SREM', K.dead_to_retry, id)
  return 1
end
