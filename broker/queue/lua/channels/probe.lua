-- Let the next held job of a channel try, although its circuit breaker is open: for a person who knows that it is back.
-- Arguments: channel, audit_entry (msgpack; "" for none).
-- Returns 1 where the breaker was open, else 0.
-- Run twice: nothing changes while the probe of the first run is under way, and there is no second audit entry.
if moment(redis.call('HGET', K.channel, 'open_until_ms')) <= now then return 0 end
redis.call('HSET', K.channel, 'open_until_ms', string.format('%.0f', now))
redis.call('HDEL', K.channel, 'probe_until_ms', 'probe_job')
append_audit(audit_entry)
return 1
