-- Pause or resume a channel, for a person.
-- Arguments: channel, pause (1: pause, 0: resume), audit_entry (msgpack; "" for none).
-- Returns 1 where that changed the channel, else 0.
-- Run twice: nothing changes, and there is no second audit entry.
local changed
if pause == 1 then
  redis.call('SADD', K.channels, channel)
  changed = redis.call('HSETNX', K.channel, 'paused_since_ms', now)
else
  changed = redis.call('HDEL', K.channel, 'paused_since_ms')
end
if changed == 1 then append_audit(audit_entry) end
return changed
