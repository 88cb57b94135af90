-- Part: marking dead letters that a redelivery retries.

-- Mark dead letters of an identity to be retried. Returns how many there are, and how many were not marked before.
local function mark_dead_for_retry(member)
  local dead, marked = ids_with('seen:' .. member, '', 100), 0
  for i = 1, #dead do marked = marked + redis.call('SADD', K.dead_to_retry, dead[i]) end
  return #dead, marked
end
