-- Turn the first events of a window that an older version wrote into a window of this version, which ends at the same
-- time. No further event joins it.
-- Arguments: blobs (named below by their index), digest (its id in hex), id (its bytes), first and last (the first and
-- last of the events as the list has them), taken (how many), channels (0 where no event can be read), packs, letters
-- (dead letters, one for each event that cannot be read). Their fields: see broker/steps/digest_packs.py (PACK) and
-- broker/dead_letters/packing.py (LETTER).
-- Returns 1, or 0 where the list does not hold these events: another worker was first.
-- Run twice: 0 the second time.
drain_when_full()
if redis.call('LINDEX', K.digest, 0) ~= first then return 0 end
if redis.call('LINDEX', K.digest, taken - 1) ~= last then return 0 end
local counted, died = tonumber(redis.call('HGET', K.digests_counted, digest)), 0
for i = 1, #letters do died = died + add_dead_letter(letters[i], blobs) end
local pack = unpack(packs)
if pack then
  local group = pack[PACK_ID]
  for i = 1, #packs do add_to_closing(group, id, channels, packs[i], blobs) end
  redis.call('ZADD', K.digests_ends, redis.call('ZSCORE', K.digests, digest) or now, group)
end
redis.call('LTRIM', K.digest, taken, -1)
local more = channels
if redis.call('LLEN', K.digest) == 0 then
  redis.call('ZREM', K.digests, digest)
  redis.call('HDEL', K.digests_counted, digest)
  more = channels - counted
end
count({ created = more + #letters, waiting = more, dead = #letters, died = died })
return 1
