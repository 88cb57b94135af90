-- A person begins something with many dead letters.
-- ARGV: id, action (msgpack), how many letters, owner, lease in ms, most actions that are kept, audit entry
-- Safe to repeat. Where there are more than are kept the oldest go, but for those that are running.
go_on_when_full()
local key = K.action .. ARGV[1]
if redis.call('EXISTS', key) == 1 then return 0 end
redis.call('HSET', key, 'a', ARGV[2], 'selected', ARGV[3], 'state', 'running', 'owner', ARGV[4],
  'lease_until_ms', now + tonumber(ARGV[5]), 'began_ms', now)
redis.call('ZADD', K.actions, now, ARGV[1])
append_audit(ARGV[7])
local over = redis.call('ZCARD', K.actions) - tonumber(ARGV[6])
if over > 0 then
  local oldest = redis.call('ZRANGE', K.actions, 0, over - 1)
  for i = 1, #oldest do
    local state = redis.call('HGET', K.action .. oldest[i], 'state')
    if state ~= 'running' then
      redis.call('DEL', K.action .. oldest[i])
      redis.call('ZREM', K.actions, oldest[i])
    end
  end
end
return 1
