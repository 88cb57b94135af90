-- Moments to send at, so that all workers together keep a channel's rate (the generic cell rate algorithm).
-- ARGV: channel, sends a second, how many are wanted
-- Returns {us until the first moment, us between two}. What nobody used for a tenth of a second may be made up for.
go_on_when_full()
local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local gap_us = 1000000 / tonumber(ARGV[2])
local key = K.rate .. ARGV[1]
local given_away_us = tonumber(redis.call('GET', key) or 0)
if redis.call('PTTL', key) == -1 then given_away_us = 0 end -- nothing of ours: that ends by itself
local next_us = math.max(given_away_us, now_us - 100000)
local after_us = next_us + gap_us * tonumber(ARGV[3])
redis.call('SET', key, string.format('%.0f', after_us), 'PX', math.ceil(math.max(1000, (after_us - now_us) / 1000 + 1000)))
return { math.floor(math.max(0, next_us - now_us)), math.floor(gap_us) }
