-- Ask whether a channel accepts a job now.
-- Arguments: job (id), channel, probe_ms (how long a probe may take).
-- Returns "go", "hold", or "probe" where the circuit breaker is half-open: this job alone may try.
-- Run twice: the same job may probe again.
go_on_when_full()
local open_until_ms, probe_until_ms, probe_job, paused_since_ms = unpack(redis.call('HMGET', K.channel, 'open_until_ms',
  'probe_until_ms', 'probe_job', 'paused_since_ms'))
if paused_since_ms or moment(open_until_ms) > now then return 'hold' end
if not open_until_ms then return 'go' end
if probe_job ~= job and is_probing(probe_job, probe_until_ms) then return 'hold' end
redis.call('HSET', K.channel, 'probe_until_ms', now + probe_ms, 'probe_job', job)
return 'probe'
