-- Start a bulk action.
-- Arguments: action (id), order (msgpack), selected (letters), owner, lease_ms, most (actions that are kept),
-- audit_entry (msgpack; "" for none). Beyond `most`, the oldest actions are deleted, except running ones.
-- Returns 1, or 0 where the action exists.
-- Run twice: nothing changes.
go_on_when_full()
if redis.call('EXISTS', K.action) == 1 then return 0 end
redis.call('HSET', K.action, 'a', order, 'selected', selected, 'state', 'running', 'owner', owner,
  'lease_until_ms', now + lease_ms, 'began_ms', now)
redis.call('ZADD', K.actions, now, action)
append_audit(audit_entry)
local over = redis.call('ZCARD', K.actions) - most
if over > 0 then
  local oldest = redis.call('ZRANGE', K.actions, 0, over - 1)
  for i = 1, #oldest do
    local state = redis.call('HGET', P.action .. oldest[i], 'state')
    if state ~= 'running' then
      redis.call('DEL', P.action .. oldest[i])
      redis.call('ZREM', K.actions, oldest[i])
    end
  end
end
return 1
