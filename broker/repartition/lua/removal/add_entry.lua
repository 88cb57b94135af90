-- Add a batch that comes from a partition that will be removed.
-- Arguments: layout (while data moves), name (that marks its arrival), bodies, blob, any_age ("1" or ""), origin and
-- places (which name the markers of its bodies: see batches.lua).
-- Returns 1, or 0 where it was added before, or -1 where data does not move any more.
-- Run twice: 0 the second time.
drain_when_full()
if not is_moving(layout) then return -1 end
if redis.call('HEXISTS', K.repartition_in, name) == 1 then return 0 end
queue_batch(bodies, blob, any_age == '1', origin, places)
redis.call('HSET', K.repartition_in, name, 1)
return 1
