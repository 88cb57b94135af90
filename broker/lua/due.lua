-- The dead letters that are too old or too many: the oldest.
-- ARGV: ms since 1970 before which they are too old (0: none is), how many may stay (0: all), how many to return
-- Returns {how many there are, the oldest of them ...}.
local due = redis.call('ZCOUNT', K.dead_index, '-inf', '(' .. ARGV[1])
if tonumber(ARGV[2]) > 0 then due = math.max(due, redis.call('ZCARD', K.dead_index) - tonumber(ARGV[2])) end
local most = math.min(due, tonumber(ARGV[3]))
local found = most > 0 and redis.call('ZRANGE', K.dead_index, 0, most - 1) or {}
local ids = { due }
for i = 1, #found do
  if found[i]:find('^[0-9a-z]+$') then ids[#ids + 1] = found[i] else redis.call('ZREM', K.dead_index, found[i]) end
end
return ids
