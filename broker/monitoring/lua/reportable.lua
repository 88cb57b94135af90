-- Count what an alert may report, so that a check where there is nothing to report costs one command.
-- Arguments: minutes (for which new dead letters are counted, including the current one).
-- Returns {alerts with a record, keys moved aside, processes that reported a wrong clock, new failure groups, 1 where
-- the number of purged letters has changed since the last report, stored dead letters, dead letters that were added in
-- these minutes, channels with a state, places with spilled webhooks, and three times in ms since 1970, 0 for none: of
-- the oldest batch in the stream, of the job that is due for longest, and when the digest that is late for longest was
-- to end}.
-- Only reads.
local died, minute = 0, math.floor(now / 60000)
for m = minute - minutes + 1, minute do
  died = died + tonumber(redis.call('HGET', P.stats_minute .. m, 'died') or 0)
end
local purged = tonumber(redis.call('HGET', K.stats_total, 'purged') or 0)
local has_purged = purged ~= tonumber(redis.call('GET', K.dead_reported) or 0)
local function first_ms(key)
  local _, score = unpack(redis.call('ZRANGE', key, 0, 0, 'WITHSCORES'))
  local ms = math.floor(tonumber(score or 0))
  return ms <= now and ms or 0
end
local oldest = unpack(redis.call('XRANGE', K.stream, '-', '+', 'COUNT', 1))
local id = unpack(oldest or {})
local oldest_ms = id and tonumber(id:match('^%d+')) or 0
return { redis.call('HLEN', K.alerts), redis.call('ZCARD', K.set_aside), redis.call('HLEN', K.clocks),
  redis.call('HLEN', K.dead_unreported), has_purged and 1 or 0, redis.call('ZCARD', K.dead_index), died,
  redis.call('SCARD', K.channels), redis.call('HLEN', K.spilled), oldest_ms, first_ms(K.queue), first_ms(K.digests_ends) }
