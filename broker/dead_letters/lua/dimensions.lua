-- Read what dead letters there are of some combinations of dimensions, in a span of time.
-- Arguments: kinds (ids of dimensions), since_ms and until_ms (both included; "-inf" and "+inf" for no bound).
-- Returns rows of {dimensions id, dimensions, letters, first ms, last ms, id of the newest}; none for those without
-- letters.
-- Only reads.
local rows = {}
for i = 1, #kinds do
  local key, dimensions = P.dead_by .. kinds[i], redis.call('HGET', K.dead_dimensions, kinds[i])
  local newest, last_ms = unpack(redis.call('ZREVRANGEBYSCORE', key, until_ms, since_ms, 'WITHSCORES', 'LIMIT', 0, 1))
  if dimensions and newest then
    local _, first_ms = unpack(redis.call('ZRANGEBYSCORE', key, since_ms, until_ms, 'WITHSCORES', 'LIMIT', 0, 1))
    local letters = redis.call('ZCOUNT', key, since_ms, until_ms)
    rows[#rows + 1] = { kinds[i], dimensions, letters, first_ms, last_ms, newest }
  end
end
return rows
