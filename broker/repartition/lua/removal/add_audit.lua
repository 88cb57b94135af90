-- Add audit entries of a partition that will be removed to those of this one.
-- Arguments: entries (msgpack), layout (while data moves), name (that marks their arrival).
-- Returns 1, or 0 where they were added before, or -1 where data does not move any more.
-- Run twice: 0 the second time.
drain_when_full()
if not is_moving(layout) then return -1 end
if redis.call('HSETNX', K.repartition_in, name, 1) == 0 then return 0 end
for i = 1, #entries do append_audit(entries[i]) end
return 1
