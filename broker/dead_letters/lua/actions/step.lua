-- Record the progress of a bulk action, and extend its owner's lease.
-- Arguments: action (id), owner, lease_ms, cursor ("" leaves it), is_last (1: the action is done), counters (of
-- {counter, number}), failures (of {fingerprint, number, error}). Beyond MOST_FAILURES fingerprints all others count as
-- "".
-- Returns 1, or 0 where the action was stopped or has another owner: nothing changed.
-- Run twice: a step with the cursor that the action has was recorded before, and does not count again.
go_on_when_full()
local MOST_FAILURES = 200
if not may_act(action, owner) then return 0 end
redis.call('HSET', K.action, 'lease_until_ms', now + lease_ms)
if cursor ~= '' then
  if redis.call('HGET', K.action, 'cursor') == cursor then return 1 end
  redis.call('HSET', K.action, 'cursor', cursor)
end
for i = 1, #counters do
  local counter, number = unpack(counters[i])
  redis.call('HINCRBY', K.action, counter, number)
end
for i = 1, #failures do
  local fingerprint, number, error_text = unpack(failures[i])
  -- A fingerprint takes two fields.
  if redis.call('HEXISTS', K.action, 'why:' .. fingerprint) == 0
    and redis.call('HLEN', K.action) > 2 * MOST_FAILURES then
    fingerprint = ''
  end
  redis.call('HSETNX', K.action, 'eg:' .. fingerprint, error_text)
  redis.call('HINCRBY', K.action, 'why:' .. fingerprint, number)
end
if is_last == 1 then
  redis.call('HSET', K.action, 'state', 'done', 'ended_ms', now)
  redis.call('HDEL', K.action, 'owner', 'lease_until_ms')
end
return 1
