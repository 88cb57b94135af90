-- A person pauses a channel, or lets it go on.
-- ARGV: channel, "pause" or "resume"
-- Returns 1 where that changed something.
local key = K.channel .. ARGV[1]
if ARGV[2] == 'resume' then return redis.call('HDEL', key, 'paused_since_ms') end
redis.call('SADD', K.channels, ARGV[1])
return redis.call('HSETNX', key, 'paused_since_ms', now)
