-- Add counters of a partition that will be removed to those of this one.
-- Arguments: fields (names and values in turn), layout (while data moves), name (that marks their arrival), counters
-- (the key), lasts_s (seconds until it expires; 0 for never).
-- Returns 1, or 0 where they were added before, or -1 where data does not move any more.
-- Run twice: 0 the second time.
drain_when_full()
if not is_moving(layout) then return -1 end
if redis.call('HSETNX', K.repartition_in, name, 1) == 0 then return 0 end
for field, value in each_pair(fields) do redis.call('HINCRBY', K.counters, field, tonumber(value)) end
if lasts_s > 0 then redis.call('EXPIRE', K.counters, lasts_s) end
return 1
