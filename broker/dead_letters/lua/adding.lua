-- Part: adding dead letters.

-- Record the failure group of a new dead letter. A group that had no dead letter for a month is new, and people get a
-- report of it: see broker/dead_letters/unreported.py.
local function note_group(fingerprint, id)
  local GROUPS_KEPT_MS, MOST_GROUPS, NEWS_KEPT_MS, MOST_NEWS = 30 * 86400000, 10000, 7 * 86400000, 1000
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

-- Add a dead letter. packed: its fields are LETTER; blobs: the list that these name by index; died_at: when it died,
-- for an imported letter, which is not news. Returns 1, or 0 where the letter exists.
local function add_dead_letter(packed, blobs, died_at)
  local id, dimensions, dictionary = packed[LETTER_ID], packed[LETTER_DIMENSIONS_ID], packed[LETTER_DICTIONARY_ID]
  if redis.call('EXISTS', P.dead .. id) == 1 then return 0 end
  if redis.call('HEXISTS', K.dead_dimensions, dimensions) == 0 then
    if redis.call('HLEN', K.dead_dimensions) < DIMENSIONS_MAX then
      redis.call('HSET', K.dead_dimensions, dimensions, blobs[packed[LETTER_DIMENSIONS]])
    else
      dimensions = 'mixed' -- the dimensions of all letters beyond the combinations that have a set of their own
    end
  end
  if dictionary ~= '' and redis.call('HINCRBY', K.dead_dicts, dictionary, 1) == 1 then
    redis.call('SET', P.dead_dict .. dictionary, blobs[packed[LETTER_DICTIONARY]])
  end
  local tokens, place = index_terms(id, packed[LETTER_TERMS], packed[LETTER_SEED])
  redis.call('SET', P.dead .. id, cmsgpack.pack({ dimensions, dictionary, tokens, blobs[packed[LETTER_LETTER]],
    blobs[packed[LETTER_BODY]], place }))
  redis.call('ZADD', K.dead_index, died_at or now, id)
  redis.call('ZADD', P.dead_by .. dimensions, died_at or now, id)
  if not died_at then note_group(packed[LETTER_FINGERPRINT], id) end
  return 1
end
