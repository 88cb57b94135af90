-- Rename a deviation from the models of a source. Its count is added to that of the new name.
-- Arguments: before and after (fields of the source's hash).
-- Returns 1, or 0 where the deviation is gone.
-- Run twice: 0 the second time.
go_on_when_full()
local samples = redis.call('HGET', K.drift, before)
if not samples then return 0 end
redis.call('HINCRBY', K.drift, after, samples)
redis.call('HDEL', K.drift, before)
return 1
