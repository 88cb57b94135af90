-- A worker does not understand an entry: another may. This delivery does not count towards those that make poison.
-- ARGV: consumer, entry, for how long it is passed on in ms since a worker first met it, take-over after ms
-- Returns 0 where that time is over: the consumer keeps it.
go_on_when_full()
local held = redis.call('XPENDING', K.stream, K.group, ARGV[2], ARGV[2], 1, ARGV[1])[1]
if not held then return 1 end
local delay_ms = defer(ARGV[2], tonumber(ARGV[3]))
if not delay_ms then return 0 end
redis.call('XCLAIM', K.stream, K.group, ARGV[1], 0, ARGV[2], 'IDLE', math.max(0, ARGV[4] - delay_ms),
  'RETRYCOUNT', math.max(0, held[4] - 1), 'JUSTID')
return 1
