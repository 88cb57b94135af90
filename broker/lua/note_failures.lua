-- Webhooks were answered with an error. What was so before the source's last accepted webhook is over by now; an
-- outage that is told only then (Redis had been away) is kept as the last one.
-- ARGV: rows of {source, "failing" | "refused", first ms, last ms, answers, status}
for i = 1, #ARGV, 6 do
  local key, kind = K.source .. ARGV[i], ARGV[i + 1]
  local first, last, answers = tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4])
  local known = redis.call('HMGET', key, 'last_accepted_ms', kind .. '_since_ms', kind .. '_last_ms')
  local accepted = tonumber(known[1] or 0)
  if last > accepted then
    local since = math.min(math.max(first, accepted), tonumber(known[2] or last))
    redis.call('HSET', key, kind .. '_since_ms', since, kind .. '_status', ARGV[i + 5],
      kind .. '_last_ms', math.max(last, tonumber(known[3] or 0)))
    redis.call('HINCRBY', key, kind .. '_answers', answers)
  elseif kind == 'failing' then
    end_outage(key, first, accepted, answers)
  end
end
return #ARGV / 6
