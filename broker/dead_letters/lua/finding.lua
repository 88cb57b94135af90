-- Part: the index of what people search for.

-- For how many neighbouring buckets a key may stand, the first of which names it. A key takes as much memory as several
-- members, so among few letters more buckets share one. A letter stays where it was indexed, so all of these are read.
local WIDTHS = { 64, 16, 4, 1 }

-- Returns where a search term is indexed: one of 2^18 buckets, and the 4 bytes that its members begin with, before the
-- id of the letter. The hash uses a key of this Redis, so that the index alone reveals nothing about people. Returns nil
-- where no letter ever had a term.
local find_key
local function token_of(term, seed)
  find_key = find_key or redis.call('GET', K.dead_find_key)
  if not find_key then
    if not seed then return nil end
    redis.call('SET', K.dead_find_key, seed)
    find_key = seed
  end
  local digest = redis.sha1hex(find_key .. redis.sha1hex(find_key .. term))
  return tonumber(digest:sub(1, 5), 16) % 262144, struct.pack('>I4', tonumber(digest:sub(6, 13), 16))
end

-- Returns the ids of up to `most` letters with a term, newest first, below an id ("" to start with the newest).
local function ids_with(term, below, most)
  local bucket, token = token_of(term)
  if not bucket then return {} end
  local from, ids, last_key = '(' .. token .. (below == '' and '\255' or below), {}, nil
  for i = 1, #WIDTHS do
    local key = P.dead_find .. bucket - bucket % WIDTHS[i]
    local found = key ~= last_key and redis.call('ZREVRANGEBYLEX', key, from, '[' .. token, 'LIMIT', 0, most) or {}
    for j = 1, #found do ids[#ids + 1] = found[j]:sub(#token + 1) end
    last_key = key
  end
  table.sort(ids, function(a, b) return a > b end)
  for i = #ids, most + 1, -1 do ids[i] = nil end
  return ids
end
