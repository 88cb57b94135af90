-- Add a job that comes from a partition that will be removed.
-- Arguments: done (indices that are settled), layout (while data moves), job (id), blob, since_ms (when it is due, or
-- since when it is held), channel (that it is held for; "" for the queue), held_ms (how long it has been held; "" for 0).
-- Returns 1, or 0 where it was added before, or -1 where data does not move any more.
-- Run twice: 0 the second time.
drain_when_full()
if not is_moving(layout) then return -1 end
if redis.call('HSETNX', K.repartition_in, 'job:' .. job, 1) == 0 then return 0 end
redis.call('SET', K.job, blob)
if channel == '' then
  redis.call('ZADD', K.queue, since_ms, job)
  wake_a_worker()
else
  redis.call('ZADD', P.held_jobs .. channel, since_ms, job)
  redis.call('SADD', K.channels, channel)
end
if #done > 0 then redis.call('SADD', K.done, unpack(done)) end
if held_ms ~= '' then redis.call('SET', K.held_ms, held_ms) end
return 1
