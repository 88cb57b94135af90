-- A job is about to be sent: whether its channel takes it.
-- ARGV: job, channel, how long a probe may take in ms
-- Returns "go" | "probe" | "hold". "probe": the channel's breaker is half-open, and this job alone may try.
go_on_when_full()
local job, key = ARGV[1], K.channel .. ARGV[2]
local known = redis.call('HMGET', key, 'open_until_ms', 'probe_until_ms', 'probe_job', 'paused_since_ms')
if known[4] or moment(known[1]) > now then return 'hold' end
if not known[1] then return 'go' end
if known[3] ~= job and moment(known[2]) > now then return 'hold' end
redis.call('HSET', key, 'probe_until_ms', now + tonumber(ARGV[3]), 'probe_job', job)
return 'probe'
