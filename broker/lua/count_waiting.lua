-- The notifications that really wait: in jobs that are due, running or held, and in digests.
-- ARGV: most jobs, most digests that are counted
-- Returns {waiting by the counter, those in jobs and digests, 1 where there are more jobs or digests than are counted}.
local most = tonumber(ARGV[1])
local jobs = redis.call('ZRANGE', K.queue, 0, most)
for _, channel in ipairs(redis.call('SMEMBERS', K.channels)) do
  if #jobs > most then break end
  for _, job in ipairs(redis.call('ZRANGE', K.held_jobs .. channel, 0, most)) do jobs[#jobs + 1] = job end
end
local digests = redis.call('ZRANGE', K.digests, 0, ARGV[2])
local too_many = (#jobs > most or #digests > tonumber(ARGV[2])) and 1 or 0
local waiting = 0
if too_many == 0 then
  for _, job in ipairs(jobs) do
    if redis.call('EXISTS', K.job .. job) == 1 then
      waiting = waiting + tonumber(job:match('%.(%d+)$') or 0) - redis.call('SCARD', K.done .. job)
    end
  end
end
if too_many == 0 then
  for _, digest in ipairs(digests) do
    if redis.call('LLEN', K.digest .. digest) > 0 then
      waiting = waiting + tonumber(redis.call('HGET', K.digests_counted, digest))
    end
  end
end
return { tonumber(redis.call('HGET', K.stats_total, 'waiting')), waiting, too_many }
