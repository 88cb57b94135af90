-- A job is about to be sent: what of it is done with, and whether its channel takes it.
-- ARGV: job, channel, how long a probe may take in ms
-- Returns {"go" | "probe" | "hold", for how long it was held so far in ms, settled indices ...}. "probe": the channel's
-- breaker is half-open, and this job alone may try.
go_on_when_full()
local job, key = ARGV[1], K.channel .. ARGV[2]
local known = redis.call('HMGET', key, 'open_until_ms', 'probe_until_ms', 'probe_job', 'paused_since_ms')
local answer = { 'go', tonumber(redis.call('GET', K.held_ms .. job) or 0) }
if known[4] or tonumber(known[1] or 0) > now then
  answer[1] = 'hold'
elseif known[1] then
  if known[3] == job or tonumber(known[2] or 0) <= now then
    redis.call('HSET', key, 'probe_until_ms', now + tonumber(ARGV[3]), 'probe_job', job)
    answer[1] = 'probe'
  else
    answer[1] = 'hold'
  end
end
local done = redis.call('SMEMBERS', K.done .. job)
for i = 1, #done do answer[#answer + 1] = tonumber(done[i]) end
return answer
