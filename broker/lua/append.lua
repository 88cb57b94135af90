-- A batch joins the stream and is counted, and its sources have had a webhook accepted: that ends what failed before.
-- ARGV: bodies, batch, sources ...
local bodies = tonumber(ARGV[1])
queue_batch(bodies, ARGV[2])
count({ accepted = bodies, queued = bodies })
for i = 3, #ARGV do
  local key = K.source .. ARGV[i]
  local open = redis.call('HMGET', key, 'failing_since_ms', 'failing_answers', 'refused_since_ms')
  redis.call('HSET', key, 'last_accepted_ms', now)
  if open[1] then end_outage(key, tonumber(open[1]), now, tonumber(open[2] or 0)) end
  if open[1] or open[3] then
    redis.call('HDEL', key, 'failing_since_ms', 'failing_last_ms', 'failing_answers', 'failing_status',
      'refused_since_ms', 'refused_last_ms', 'refused_answers', 'refused_status')
  end
end
return bodies
