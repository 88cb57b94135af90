-- Take counters out of this partition, which will be removed.
-- Arguments: layout (while data moves), name (of the row that keeps them), counters (the key).
-- Returns 1, or 0 where there are none, or -1 where data does not move any more.
-- Run twice: 0 the second time.
go_on_when_full()
if not is_moving(layout) then return -1 end
local fields = redis.call('HGETALL', K.counters)
if #fields == 0 then return 0 end
redis.call('HSET', K.repartition_out, name, cmsgpack.pack(fields))
redis.call('DEL', K.counters)
return 1
