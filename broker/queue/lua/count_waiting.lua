-- Count the notifications that really wait: in jobs that are due, running or held, and in digests.
-- Arguments: most_jobs, most_digests (beyond either, nothing is counted, since that would block Redis for too long).
-- Returns {waiting by the counter, waiting in jobs and digests, 1 where there are too many to count}.
-- Only reads.
local jobs = redis.call('ZRANGE', K.queue, 0, most_jobs)
for _, channel in ipairs(redis.call('SMEMBERS', K.channels)) do
  if #jobs > most_jobs then break end
  for _, job in ipairs(redis.call('ZRANGE', P.held_jobs .. channel, 0, most_jobs)) do jobs[#jobs + 1] = job end
end
local digests = redis.call('ZRANGE', K.digests, 0, most_digests)
local too_many = #jobs > most_jobs or #digests > most_digests
local waiting = 0
if not too_many then
  for _, job in ipairs(jobs) do
    if redis.call('EXISTS', P.job .. job) == 1 then
      waiting = waiting + tonumber(job:match('%.(%d+)$') or 0) - redis.call('SCARD', P.done .. job)
    end
  end
  for _, digest in ipairs(digests) do
    if redis.call('LLEN', P.digest .. digest) > 0 then
      waiting = waiting + tonumber(redis.call('HGET', K.digests_counted, digest))
    end
  end
end
return { tonumber(redis.call('HGET', K.stats_total, 'waiting')), waiting, too_many and 1 or 0 }
