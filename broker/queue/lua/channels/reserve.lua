-- Reserve times to send at, so that all workers together keep a channel's rate (the generic cell rate algorithm).
-- Arguments: rate_per_s, sends (how many).
-- Returns {us until the first send, us between two sends}. Up to a tenth of a second that no worker used can be caught
-- up.
-- Run twice: the second run reserves later times.
local CATCH_UP_US = 100000
go_on_when_full()
local seconds, micros = unpack(redis.call('TIME'))
local now_us = tonumber(seconds) * 1000000 + tonumber(micros)
local gap_us = 1000000 / rate_per_s
local reserved_until_us = tonumber(redis.call('GET', K.rate) or 0)
-- Hookline always writes an expiry, so another program wrote a key without one.
if redis.call('PTTL', K.rate) == -1 then reserved_until_us = 0 end
local next_us = math.max(reserved_until_us, now_us - CATCH_UP_US)
local after_us = next_us + gap_us * sends
redis.call('SET', K.rate, string.format('%.0f', after_us), 'PX',
  math.ceil(math.max(1000, (after_us - now_us) / 1000 + 1000)))
return { math.floor(math.max(0, next_us - now_us)), math.floor(gap_us) }
