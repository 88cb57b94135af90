-- Remove or rewrite events of a digest whose window is open.
-- Arguments: digest (id), first (the first event as the list has it), channels (of the first event that stays and can
-- be read; 0 where none stays, -1 where none of those can be read), leaving (how many events are removed), changes (of
-- {event, event that replaces it or ""}).
-- Returns 1, or 0 where the list has changed meanwhile: nothing was done.
-- Run twice: nothing more changes.
go_on_when_full()
if redis.call('LINDEX', K.digest, 0) ~= first then return 0 end
local left = redis.call('LLEN', K.digest) - leaving
if (left > 0) ~= (channels ~= 0) then return 0 end
for i = 1, #changes do
  local event, replacement = unpack(changes[i])
  if replacement == '' then
    redis.call('LREM', K.digest, 1, event)
  else
    local place = redis.call('LPOS', K.digest, event)
    if place then redis.call('LSET', K.digest, place, replacement) end
  end
end
local counted = tonumber(redis.call('HGET', K.digests_counted, digest))
if left == 0 then
  redis.call('ZREM', K.digests, digest)
  redis.call('HDEL', K.digests_counted, digest)
  count({ waiting = -counted, dead = counted, forgotten = counted })
elseif channels > 0 then
  redis.call('HSET', K.digests_counted, digest, channels)
  count({ created = channels - counted, waiting = channels - counted })
end
return 1
