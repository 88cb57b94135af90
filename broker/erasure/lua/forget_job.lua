-- Remove notifications from a job that no worker runs. A new job with the other notifications takes its place, in the
-- queue or among the held jobs.
-- Arguments: job (id), new_job (id), channel, blob (the job as it was read), new_blob, leaving (indices that are
-- removed), staying (indices that stay, in the order of the new job).
-- Returns {1, notifications removed that waited}; {0, 0} where the job has changed; {-1, 0} where a worker has it.
-- Run twice: {0, 0} the second time.
drain_when_full()
if redis.call('EXISTS', K.in_progress) == 1 then return { -1, 0 } end
if redis.call('GET', K.job) ~= blob then return { 0, 0 } end

local gone, settled = 0, {}
for i = 1, #leaving do gone = gone + 1 - redis.call('SISMEMBER', K.done, leaving[i]) end
for i = 1, #staying do
  if redis.call('SISMEMBER', K.done, staying[i]) == 1 then settled[#settled + 1] = i - 1 end
end
if #staying > #settled then
  redis.call('SET', K.new_job, new_blob)
  if #settled > 0 then redis.call('SADD', K.new_done, unpack(settled)) end
  if redis.call('EXISTS', K.retry) == 1 then redis.call('RENAME', K.retry, K.new_retry) end
  if redis.call('EXISTS', K.held_ms) == 1 then redis.call('RENAME', K.held_ms, K.new_held_ms) end
  local held_since = redis.call('ZSCORE', K.held_jobs, job)
  if held_since then
    redis.call('ZADD', K.held_jobs, held_since, new_job)
  else
    redis.call('ZADD', K.queue, redis.call('ZSCORE', K.queue, job) or now, new_job)
  end
  if redis.call('HGET', K.channel, 'probe_job') == job then redis.call('HSET', K.channel, 'probe_job', new_job) end
end
redis.call('ZREM', K.held_jobs, job)
finish(job)
count({ waiting = -gone, dead = gone, forgotten = gone })
return { 1, gone }
