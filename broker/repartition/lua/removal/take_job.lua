-- Take a job that no worker runs out of this partition, which will be removed.
-- Arguments: layout (while data moves), job (id), channel (that it is held for; "" for a job in the queue).
-- Returns 1, or 0 where a worker runs it or it is not there, or -1 where data does not move any more.
-- Run twice: 0 the second time.
go_on_when_full()
if not is_moving(layout) then return -1 end
local list = channel == '' and K.queue or P.held_jobs .. channel
local blob, since_ms = redis.call('GET', K.job), redis.call('ZSCORE', list, job)
if not blob or not since_ms or redis.call('EXISTS', K.in_progress) == 1 then return 0 end
local done = table.concat(redis.call('SMEMBERS', K.done), ',')
redis.call('HSET', K.repartition_out, 'job:' .. job,
  cmsgpack.pack({ blob, since_ms, channel, redis.call('GET', K.held_ms) or '', done }))
redis.call('ZREM', list, job)
finish(job)
return 1
