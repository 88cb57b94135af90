-- Append a batch to the stream, count it, and record that its sources had webhooks accepted. That ends their failures.
-- Arguments: bodies (their number), blob (the batch), sources (names).
-- Returns the number of bodies; an error where this partition was removed.
-- Run twice: the bodies are in the stream twice; intake suppresses the duplicates.
if redis.call('GET', K.layout) == LAYOUT_REMOVED then return { err = 'PARTITIONREMOVED' } end
queue_batch(bodies, blob)
count({ accepted = bodies, queued = bodies })
for i = 1, #sources do
  local key = P.source .. sources[i]
  local failing_since_ms, failing_answers, refused_since_ms = unpack(redis.call('HMGET', key, 'failing_since_ms',
    'failing_answers', 'refused_since_ms'))
  redis.call('HSET', key, 'last_accepted_ms', now)
  if failing_since_ms then
    record_outage(key, tonumber(failing_since_ms), now, tonumber(failing_answers or 0))
  end
  if failing_since_ms or refused_since_ms then
    redis.call('HDEL', key, 'failing_since_ms', 'failing_last_ms', 'failing_answers', 'failing_status',
      'refused_since_ms', 'refused_last_ms', 'refused_answers', 'refused_status')
  end
end
return bodies
