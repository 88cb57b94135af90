-- End the errors of sources after which webhooks were accepted in another partition. A series of 5xx becomes the last
-- outage, until its last error: when exactly webhooks were accepted again is not known here.
-- Arguments: accepted (of {source, ms of the last accepted webhook}).
-- Returns the number of sources.
-- Run twice: the second time nothing changes.
for i = 1, #accepted do
  local source, accepted_ms = unpack(accepted[i])
  local key = P.source .. source
  local since_ms, last_ms, answers, refused_last_ms = unpack(redis.call('HMGET', key, 'failing_since_ms',
    'failing_last_ms', 'failing_answers', 'refused_last_ms'))
  if since_ms and last_ms and tonumber(last_ms) <= accepted_ms then
    record_outage(key, tonumber(since_ms), tonumber(last_ms), tonumber(answers or 0))
    redis.call('HDEL', key, 'failing_since_ms', 'failing_last_ms', 'failing_answers', 'failing_status')
  end
  if refused_last_ms and tonumber(refused_last_ms) <= accepted_ms then
    redis.call('HDEL', key, 'refused_since_ms', 'refused_last_ms', 'refused_answers', 'refused_status')
  end
end
return #accepted
