-- Part: the last outage of a source.

-- Record an outage in a source's hash. Reports of several receivers about overlapping times become one outage.
local function record_outage(key, since_ms, until_ms, answers)
  local last_since_ms, last_until_ms, last_answers = unpack(redis.call('HMGET', key, 'outage_since_ms',
    'outage_until_ms', 'outage_answers'))
  if last_since_ms and tonumber(last_until_ms) >= since_ms then
    since_ms = math.min(since_ms, tonumber(last_since_ms))
    until_ms = math.max(until_ms, tonumber(last_until_ms))
    answers = answers + tonumber(last_answers)
  end
  redis.call('HSET', key, 'outage_since_ms', since_ms, 'outage_until_ms', until_ms, 'outage_answers', answers)
end
