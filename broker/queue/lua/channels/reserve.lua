-- Reserve times to send at, so that all workers together keep a channel's rate (the generic cell rate algorithm).
-- Arguments: rate_per_s, sends (how many), within_us (nothing is reserved where the first is later than that).
-- Returns {us until the first send, us between two sends, 1 where they are reserved}. Up to a tenth of a second that no
-- worker used can be caught up.
-- Run twice: the second run reserves later times.
local CATCH_UP_US, AHEAD_US = 100000, 11000000
go_on_when_full()
local seconds, micros = unpack(redis.call('TIME'))
local now_us = tonumber(seconds) * 1000000 + tonumber(micros)
local gap_us = 1000000 / rate_per_s
local reserved_until_us = tonumber(redis.call('GET', K.rate) or 0)
-- Workers reserve at most 10 s ahead, and then a quarter of a second or one send. What is reserved beyond that is left
-- from a lower rate, and must not stop this one.
if reserved_until_us > now_us + AHEAD_US + gap_us then reserved_until_us = 0 end
-- Hookline always writes an expiry, so another program wrote a key without one.
if redis.call('PTTL', K.rate) == -1 then reserved_until_us = 0 end
local next_us = math.max(reserved_until_us, now_us - CATCH_UP_US)
local first_us = math.max(0, next_us - now_us)
if first_us > within_us then return { math.floor(first_us), math.floor(gap_us), 0 } end
local after_us = next_us + gap_us * sends
redis.call('SET', K.rate, string.format('%.0f', after_us), 'PX',
  math.ceil(math.max(1000, (after_us - now_us) / 1000 + 1000)))
return { math.floor(first_us), math.floor(gap_us), 1 }
