-- Register a live worker, and decide whether it is active.
-- Arguments: worker (its name), config (fingerprint of the config that it runs with), group (what all workers have in
-- common that can do the same work, without a space), alive_ms (how long the worker is shown as alive), lasts_ms (how long
-- the registration lasts), wish ('keep', 'help' or 'rest'), least (active workers of a group that are wanted at least),
-- pause_ms (time from one wish that is granted to the next).
-- Returns {1 if the wish is granted, names of the active workers of the group, number of live workers}.
-- Run twice: the registration lasts from the second time; a wish is not granted again within the pause.
go_on_when_full()
local MOST_MS = 600000 -- no registration lasts longer, so a later end was written before the clock was set back
for _, list in ipairs({ K.workers, K.active_workers }) do
  redis.call('ZREMRANGEBYSCORE', list, '-inf', now)
  redis.call('ZREMRANGEBYSCORE', list, now + MOST_MS, '+inf')
end
redis.call('SET', K.health, config, 'PX', alive_ms)

-- Workers with another version or config may not recognize the work of this group. So each group has active workers.
local is_active, names = false, {}
for _, member in ipairs(redis.call('ZRANGE', K.active_workers, 0, -1)) do
  local its_group, name = member:match('^(%S*) (.*)$')
  if name == worker then
    is_active = true
    redis.call('ZREM', K.active_workers, member) -- its group may be another one after a reload
  elseif its_group == group then
    names[#names + 1] = name
  end
end

local is_possible = wish == 'help' or wish == 'rest' and is_active and #names >= least
-- All workers see the same backlog, or the same silence. So they follow it one after another.
local is_granted = is_possible and acquire_lease(K.workers_changed, '1', pause_ms)
if is_granted then is_active = wish == 'help' end
if #names < least then is_active = true end

redis.call('ZADD', K.workers, now + lasts_ms, worker)
redis.call('PEXPIRE', K.workers, MOST_MS)
if is_active then
  redis.call('ZADD', K.active_workers, now + lasts_ms, group .. ' ' .. worker)
  redis.call('PEXPIRE', K.active_workers, MOST_MS)
  names[#names + 1] = worker
end
return { is_granted and 1 or 0, names, redis.call('ZCARD', K.workers) }
