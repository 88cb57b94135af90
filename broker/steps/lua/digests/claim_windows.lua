-- Take groups of windows that have ended. Each gets a lease in the owner's name, and no event joins its windows any more.
-- Arguments: owner, most (windows; the last group may exceed it), lease_ms.
-- Returns {groups, ms until the next group ends: 0 where one has ended, -1 for none, windows of earlier versions}. Each
-- group is {name, {digest, window, digest, window ...}}.
-- Run twice: the owner gets the same groups again. Those of a worker that died are taken when its leases end.
go_on_when_full()
local LOOK = 256

-- Move the open windows of a group to those that are being closed.
local function seal(group, closing)
  if redis.call('EXISTS', closing) == 1 then return end
  for digest, window in each_pair(open_windows_of(group)) do
    redis.call('HSET', closing, digest, window)
    redis.call('HDEL', open_key_of(digest), digest)
  end
end

local function take_lease(lease)
  if redis.call('GET', lease) ~= owner then return acquire_lease(lease, owner, lease_ms) end
  redis.call('SET', lease, owner, 'PX', lease_ms)
  return true
end

local due = redis.call('ZRANGEBYSCORE', K.digests_ends, '-inf', now, 'LIMIT', 0, LOOK)
local groups, count = {}, 0
for i = 1, #due do
  local group = due[i]
  local lease, closing = P.digests_lease .. group, P.digests_closing .. group
  if count >= most then break end
  if take_lease(lease) then
    seal(group, closing)
    local windows = redis.call('HGETALL', closing)
    if #windows == 0 then
      redis.call('ZREM', K.digests_ends, group)
      redis.call('DEL', lease)
    else
      groups[#groups + 1] = { group, windows }
      count = count + #windows / 2
    end
  end
end
return { groups, next_due_ms(K.digests_ends), redis.call('ZCARD', K.digests) }
