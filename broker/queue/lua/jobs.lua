-- Part: jobs in the queue.

-- Put a job into the queue, due in delay_ms.
local function enqueue(job, blob, delay_ms)
  redis.call('SET', P.job .. job, blob)
  redis.call('ZADD', K.queue, now + delay_ms, job)
end

-- Remove a job with all of its keys.
local function finish(job)
  redis.call('DEL', P.job .. job, P.done .. job, P.in_progress .. job, P.retry .. job, P.unrecognized .. job,
    P.held_ms .. job)
  redis.call('ZREM', K.queue, job)
end
