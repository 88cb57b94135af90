-- Notifications leave a job that no worker runs; a job with what stays takes its place.
-- ARGV[1] = msgpack {job, job of what stays, channel, indices that leave, indices that stay}, then the job as it was
-- read, the blob of what stays
-- Returns {1, how many that waited have left}; {0, 0} where the job is another by now; {-1, 0} where a worker has it.
drain_when_full()
local plan = cmsgpack.unpack(ARGV[1])
local job, heir, channel, leave, stay = plan[1], plan[2], plan[3], plan[4], plan[5]
if redis.call('EXISTS', K.in_progress .. job) == 1 then return { -1, 0 } end
if redis.call('GET', K.job .. job) ~= ARGV[2] then return { 0, 0 } end

local gone, settled = 0, {}
for i = 1, #leave do gone = gone + 1 - redis.call('SISMEMBER', K.done .. job, leave[i]) end
for i = 1, #stay do
  if redis.call('SISMEMBER', K.done .. job, stay[i]) == 1 then settled[#settled + 1] = i - 1 end
end
if #stay > #settled then
  redis.call('SET', K.job .. heir, ARGV[3])
  if #settled > 0 then redis.call('SADD', K.done .. heir, unpack(settled)) end
  for _, kind in ipairs({ K.retry, K.held_ms }) do
    if redis.call('EXISTS', kind .. job) == 1 then redis.call('RENAME', kind .. job, kind .. heir) end
  end
  local held, probed = K.held_jobs .. channel, K.channel .. channel
  local since = redis.call('ZSCORE', held, job)
  if since then
    redis.call('ZADD', held, since, heir)
  else
    redis.call('ZADD', K.queue, redis.call('ZSCORE', K.queue, job) or now, heir)
  end
  if redis.call('HGET', probed, 'probe_job') == job then redis.call('HSET', probed, 'probe_job', heir) end
end
redis.call('ZREM', K.held_jobs .. channel, job)
finish(job)
count({ waiting = -gone, dead = gone, forgotten = gone })
return { 1, gone }
