-- Record that webhooks were answered with an error.
-- Arguments: streaks (of {source, "failing" | "refused", first ms, last ms, answers, status}, by receivers' clocks).
-- Returns the number of streaks.
-- Run twice: the answers count twice; nothing else changes. A streak may arrive late. If a webhook was accepted after
-- it, the source does not fail any more: a failing streak is then recorded as the last outage.
for i = 1, #streaks do
  local source, kind, first_ms, last_ms, answers, status = unpack(streaks[i])
  local key = P.source .. source
  local accepted_ms, known_since_ms, known_last_ms = unpack(redis.call('HMGET', key, 'last_accepted_ms',
    kind .. '_since_ms', kind .. '_last_ms'))
  local accepted = tonumber(accepted_ms or 0)
  if last_ms > accepted then
    local since = math.min(math.max(first_ms, accepted), tonumber(known_since_ms or last_ms))
    redis.call('HSET', key, kind .. '_since_ms', since, kind .. '_status', status,
      kind .. '_last_ms', math.max(last_ms, tonumber(known_last_ms or 0)))
    redis.call('HINCRBY', key, kind .. '_answers', answers)
  elseif kind == 'failing' then
    record_outage(key, first_ms, accepted, answers)
  end
end
return #streaks
