-- Dead letters: what every script begins with that buries, digs up, reads or finds them.

local MIXED = 'mixed' -- stands for all dimensions beyond those that are kept apart
local GROUPS_KEPT_MS, MOST_GROUPS, NEWS_KEPT_MS, MOST_NEWS = 30 * 86400000, 10000, 7 * 86400000, 1000

-- A letter as it lies in Redis: {dimensions, dictionary or "", tokens, letter, body}. A hash of these would take 300 bytes
-- more, as Redis keeps fields of over 64 bytes.
-- What cannot be read stands for the letter as it is, of no dimensions and with no tokens.
local function kept(id)
  local packed = redis.call('GET', K.dead .. id)
  if not packed then return nil end
  local is_read, letter = pcall(cmsgpack.unpack, packed)
  if not is_read or type(letter) ~= 'table' then return { '', '', '', packed, '' } end
  for i = 1, 5 do
    if type(letter[i]) ~= 'string' then return { '', '', '', packed, '' } end
  end
  if #letter[3] % 7 ~= 0 then letter[3] = '' end
  return letter
end

-- Whether a letter is what somebody read who is to write it anew: `seen` is the SHA-1 in hex of what lay there.
local function is_as_read(id, seen)
  local packed = redis.call('GET', K.dead .. id)
  return packed and redis.sha1hex(packed) == seen
end

-- Where a term is looked for: one of 2^18 buckets, and what its members begin with (4 bytes, then the id). With a
-- million letters a bucket holds 30 of them, which Redis keeps in 28 bytes each. Hashed with a key of this Redis, so that
-- what is only an index tells nothing of people. Nothing where no letter ever had a term.
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

-- A fingerprint that nothing died with for a month is news. People are to be told of it: see broker/dead_letters/unreported.py.
local function note_group(fingerprint, id)
  if not redis.call('ZSCORE', K.dead_groups, fingerprint) then
    redis.call('ZREMRANGEBYSCORE', K.dead_groups, '-inf', now - GROUPS_KEPT_MS)
    redis.call('ZREMRANGEBYRANK', K.dead_groups, 0, -MOST_GROUPS)
    redis.call('ZADD', K.dead_news, now, fingerprint)
    redis.call('ZREMRANGEBYRANK', K.dead_news, 0, -MOST_NEWS - 1)
    redis.call('PEXPIRE', K.dead_news, NEWS_KEPT_MS)
    if redis.call('HLEN', K.dead_unreported) < MOST_NEWS then redis.call('HSET', K.dead_unreported, fingerprint, id) end
    redis.call('PEXPIRE', K.dead_unreported, NEWS_KEPT_MS)
  end
  redis.call('ZADD', K.dead_groups, now, fingerprint)
end

-- stored_letter = {id, bodies, fingerprint, dimensions id, dictionary id or "", terms, seed, then places in ARGV: of the dimensions,
-- the letter, the body, the dictionary}; at = when it died, for one that is imported: it is no news.
-- Returns 0 where it lies there already.
local function add_dead_letter(stored_letter, at)
  local id, dimensions, dict = stored_letter[1], stored_letter[4], stored_letter[5]
  local letter = K.dead .. id
  if redis.call('EXISTS', letter) == 1 then return 0 end
  if redis.call('HEXISTS', K.dead_dimensions, dimensions) == 0 then
    if redis.call('HLEN', K.dead_dimensions) < K.dimensions_max then
      redis.call('HSET', K.dead_dimensions, dimensions, ARGV[stored_letter[8]])
    else
      dimensions = MIXED
    end
  end
  if dict ~= '' and redis.call('HINCRBY', K.dead_dicts, dict, 1) == 1 then
    redis.call('SET', K.dead_dict .. dict, ARGV[stored_letter[11]])
  end
  local tokens = {}
  for i = 1, #stored_letter[6] do
    local bucket, token = token_of(stored_letter[6][i], stored_letter[7])
    redis.call('ZADD', K.dead_find .. bucket, 0, token .. id)
    tokens[i] = struct.pack('>I3', bucket) .. token
  end
  redis.call('SET', letter, cmsgpack.pack({ dimensions, dict, table.concat(tokens), ARGV[stored_letter[9]], ARGV[stored_letter[10]] }))
  redis.call('ZADD', K.dead_index, at or now, id)
  redis.call('ZADD', K.dead_by .. dimensions, at or now, id)
  if not at then note_group(stored_letter[3], id) end
  return 1
end

-- 1 where the letter was there.
local function remove_dead_letter(id)
  local letter = kept(id)
  if not letter then -- nothing but its place may be left of it
    redis.call('ZREM', K.dead_index, id)
    return 0
  end
  local dimensions, dict, tokens = letter[1], letter[2], letter[3]
  redis.call('DEL', K.dead .. id, K.dead_notes .. id)
  redis.call('ZREM', K.dead_index, id)
  redis.call('ZREM', K.dead_by .. dimensions, id)
  if redis.call('EXISTS', K.dead_by .. dimensions) == 0 then redis.call('HDEL', K.dead_dimensions, dimensions) end
  if dict ~= '' and redis.call('HINCRBY', K.dead_dicts, dict, -1) <= 0 then
    redis.call('HDEL', K.dead_dicts, dict)
    redis.call('DEL', K.dead_dict .. dict)
  end
  for i = 1, #tokens, 7 do
    redis.call('ZREM', K.dead_find .. struct.unpack('>I3', tokens, i), tokens:sub(i + 3, i + 6) .. id)
  end
  redis.call('SREM', K.dead_to_retry, id)
  return 1
end

-- The ids of up to `most` letters with a term, newest first, below an id ("" for none).
local function ids_with(term, below, most)
  local bucket, token = token_of(term)
  if not bucket then return {} end
  local from = '(' .. token .. (below == '' and '\255' or below)
  local found = redis.call('ZREVRANGEBYLEX', K.dead_find .. bucket, from, '[' .. token, 'LIMIT', 0, most)
  for i = 1, #found do found[i] = found[i]:sub(5) end
  return found
end

-- Letters by their ids, as {id, when it died here in ms or "", letter or "", dictionary or "", notes or "", body or "",
-- dimensions id}, and the dictionaries that they are packed with: a reader must get both in one step.
local function read_dead_letters(ids, with_body)
  local rows, dicts, known = {}, {}, {}
  for i = 1, #ids do
    local letter, at = kept(ids[i]), redis.call('ZSCORE', K.dead_index, ids[i]) or ''
    if not letter then -- nothing but its place may be left of it
      redis.call('ZREM', K.dead_index, ids[i])
      letter = { '', '', '', '', '' }
    end
    local dict = letter[2]
    rows[i] = { ids[i], at, letter[4], dict,
      redis.call('GET', K.dead_notes .. ids[i]) or '', with_body and letter[5] or '', letter[1] }
    if dict ~= '' and not known[dict] then
      known[dict] = true
      dicts[#dicts + 1] = dict
      dicts[#dicts + 1] = redis.call('GET', K.dead_dict .. dict) or ''
    end
  end
  return { rows, dicts }
end
