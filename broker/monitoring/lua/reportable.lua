-- Count what an alert may report, so that a check where there is nothing to report costs one command.
-- Arguments: minutes (for which new dead letters are counted, including the current one).
-- Returns {alerts with a record, keys moved aside, processes that reported a wrong clock, new failure groups, 1 where
-- the number of purged letters has changed since the last report, stored dead letters, dead letters that were added in
-- these minutes}.
-- Only reads.
local died, minute = 0, math.floor(now / 60000)
for m = minute - minutes + 1, minute do
  died = died + tonumber(redis.call('HGET', P.stats_minute .. m, 'died') or 0)
end
local purged = tonumber(redis.call('HGET', K.stats_total, 'purged') or 0)
local has_purged = purged ~= tonumber(redis.call('GET', K.dead_reported) or 0)
return { redis.call('HLEN', K.alerts), redis.call('ZCARD', K.set_aside), redis.call('HLEN', K.clocks),
  redis.call('HLEN', K.dead_unreported), has_purged and 1 or 0, redis.call('ZCARD', K.dead_index), died }
