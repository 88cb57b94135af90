-- What kinds of dead letters there are in a span of time.
-- ARGV: since ms, until ms
-- Returns {letters of mixed facets, rows of {facets id, facets, letters, first ms, last ms, id of the newest}}.
local since, till = ARGV[1], ARGV[2]
local kept, rows = redis.call('HGETALL', K.dead_facets), {}
for i = 1, #kept, 2 do
  local key = K.dead_by .. kept[i]
  local last = redis.call('ZREVRANGEBYSCORE', key, till, since, 'WITHSCORES', 'LIMIT', 0, 1)
  if last[1] then
    local first = redis.call('ZRANGEBYSCORE', key, since, till, 'WITHSCORES', 'LIMIT', 0, 1)
    rows[#rows + 1] = { kept[i], kept[i + 1], redis.call('ZCOUNT', key, since, till), first[2], last[2], last[1] }
  end
end
return { redis.call('ZCOUNT', K.dead_by .. MIXED, since, till), rows }
