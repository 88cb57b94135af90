-- Leave an entry that this worker cannot read to another worker. This delivery does not count towards the limit after
-- which an entry is treated as poison.
-- Arguments: consumer, entry (id), for_ms (how long to leave it, since a worker first failed to read it), idle_ms (how
-- long an entry must be idle before another worker takes it over).
-- Returns 1, or 0 where for_ms has passed: the consumer keeps the entry.
-- Run twice: the second run counts one delivery less than there were.
go_on_when_full()
local pending = redis.call('XPENDING', K.stream, GROUP, entry, entry, 1, consumer)
if #pending == 0 then return 1 end
local delay_ms = defer(entry, for_ms)
if not delay_ms then return 0 end
local _, _, _, deliveries = unpack(unpack(pending))
redis.call('XCLAIM', K.stream, GROUP, consumer, 0, entry, 'IDLE', math.max(0, idle_ms - delay_ms),
  'RETRYCOUNT', math.max(0, deliveries - 1), 'JUSTID')
return 1
