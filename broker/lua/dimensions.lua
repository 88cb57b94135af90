-- Dead letters of some dimensions in a span of time.
-- ARGV: since ms, until ms, then ids of dimensions ...
-- Returns rows of {dimensions id, dimensions, letters, first ms, last ms, id of the newest}, none for those without letters.
local since, till, rows = ARGV[1], ARGV[2], {}
for i = 3, #ARGV do
  local key, dimensions = K.dead_by .. ARGV[i], redis.call('HGET', K.dead_dimensions, ARGV[i])
  local last = redis.call('ZREVRANGEBYSCORE', key, till, since, 'WITHSCORES', 'LIMIT', 0, 1)
  if dimensions and last[1] then
    local first = redis.call('ZRANGEBYSCORE', key, since, till, 'WITHSCORES', 'LIMIT', 0, 1)
    rows[#rows + 1] = { ARGV[i], dimensions, redis.call('ZCOUNT', key, since, till), first[2], last[2], last[1] }
  end
end
return rows
