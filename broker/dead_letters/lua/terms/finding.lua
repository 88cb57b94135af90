-- Part: the part of the index of search terms that finds few letters fast.

-- It has the identities of events, which redeliveries look for, and all terms of letters that earlier versions wrote.

-- For how many neighbouring buckets a key may stand, the first of which names it. A key takes as much memory as several
-- members, so among few letters more buckets share one. A letter stays where it was indexed, so all of these are read.
local WIDTHS = { 1024, 128, 16, 1 }

-- Returns where a search term is indexed: one of 2^18 buckets, and the token, 4 further bytes. The hash uses a key of
-- this Redis, so that the index alone reveals nothing about people. Returns nil where no letter ever had a term.
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

-- Returns the ids of letters with a term, below an id ("" for no limit): of each width up to `most`, the newest.
-- A member is a token with an id.
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
  return ids
end
