-- A person pauses a channel, or lets it go on.
-- ARGV: channel, "pause" or "resume", audit entry
-- Returns 1 where that changed something.
local key = K.channel .. ARGV[1]
local changed
if ARGV[2] == 'resume' then
  changed = redis.call('HDEL', key, 'paused_since_ms')
else
  redis.call('SADD', K.channels, ARGV[1])
  changed = redis.call('HSETNX', key, 'paused_since_ms', now)
end
if changed == 1 then append_audit(ARGV[3]) end
return changed
