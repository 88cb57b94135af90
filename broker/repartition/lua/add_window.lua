-- Add the next events of a window that comes from another partition. It is due, and counts, from its last events on. No
-- further event joins it.
-- Arguments: blobs (named below by their index), layout (while data moves), name (of the window in `repartition:out`),
-- group (that it gets here), digest (the bytes of its id), before (how many of its events were added before), events
-- (how many are added now), packs (of these: PACK in broker/steps/digest_packs.py), is_last (1 with the last events),
-- ends_ms (when the window ends), channels (for how many notifications it counts).
-- Returns 1, or 0 where these events were added before, or -1 where data does not move any more.
-- Run twice: 0 the second time.
drain_when_full()
if not is_moving(layout) then return -1 end
local arrived = 'digest:' .. name
if tonumber(redis.call('HGET', K.repartition_in, arrived)) ~= before then return 0 end
for i = 1, #packs do add_to_closing(group, digest, channels, packs[i], blobs) end
redis.call('HSET', K.repartition_in, arrived, before + events)
if is_last == 1 then
  redis.call('ZADD', K.digests_ends, ends_ms, group)
  redis.call('HINCRBY', K.stats_total, 'created', channels)
  redis.call('HINCRBY', K.stats_total, 'waiting', channels)
end
return 1
