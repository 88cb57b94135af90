-- Add the next events of a digest that comes from another partition. It is due, and counts, from its last events on.
-- Arguments: events, layout (while data moves), digest (id), before (how many of its events were added before), is_last
-- (1 with the last events), ends_ms (when its window ends), counted (how many notifications it counts for).
-- Returns 1, or 0 where these events were added before, or -1 where data does not move any more.
-- Run twice: 0 the second time.
drain_when_full()
if not is_moving(layout) then return -1 end
local name = 'digest:' .. digest
if tonumber(redis.call('HGET', K.repartition_in, name)) ~= before then return 0 end
for i = 1, #events do redis.call('RPUSH', K.digest, events[i]) end
redis.call('HSET', K.repartition_in, name, before + #events)
if is_last == 1 then
  local known_ms = redis.call('ZSCORE', K.digests, digest)
  if not known_ms or tonumber(known_ms) > tonumber(ends_ms) then redis.call('ZADD', K.digests, ends_ms, digest) end
  redis.call('HINCRBY', K.digests_counted, digest, counted)
  redis.call('HINCRBY', K.stats_total, 'created', counted)
  redis.call('HINCRBY', K.stats_total, 'waiting', counted)
end
return 1
