-- Part: the index of what people search for.

-- Returns where a search term is indexed: one of 2^18 buckets, and the 4 bytes that its members begin with, before the
-- id of the letter. With a million letters a bucket holds 30 members, which Redis keeps in 28 bytes each. The hash uses
-- a key of this Redis, so that the index alone reveals nothing about people. Returns nil where no letter ever had a
-- term.
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
  local from = '(' .. token .. (below == '' and '\255' or below)
  local ids = redis.call('ZREVRANGEBYLEX', P.dead_find .. bucket, from, '[' .. token, 'LIMIT', 0, most)
  for i = 1, #ids do ids[i] = ids[i]:sub(#token + 1) end
  return ids
end
