-- An action has come so far.
-- ARGV: id, owner, lease in ms, cursor ("" to leave it), "done" where that was the last, then counter, by ...; a counter
-- that begins with "why:" is followed by a sample after its number
-- Returns 1 where it goes on in the owner's name; else nothing was changed. A step to where it has come already was
-- told before: it is not counted again.
go_on_when_full()
local key = K.action .. ARGV[1]
if not may_act(ARGV[1], ARGV[2]) then return 0 end
redis.call('HSET', key, 'lease_until_ms', now + tonumber(ARGV[3]))
if ARGV[4] ~= '' then
  if redis.call('HGET', key, 'cursor') == ARGV[4] then return 1 end
  redis.call('HSET', key, 'cursor', ARGV[4])
end
local i = 6
while i <= #ARGV do
  redis.call('HINCRBY', key, ARGV[i], ARGV[i + 1])
  if ARGV[i]:sub(1, 4) == 'why:' then
    redis.call('HSETNX', key, 'eg:' .. ARGV[i]:sub(5), ARGV[i + 2])
    i = i + 1
  end
  i = i + 2
end
if ARGV[5] == 'done' then
  redis.call('HSET', key, 'state', 'done', 'ended_ms', now)
  redis.call('HDEL', key, 'owner', 'lease_until_ms')
end
return 1
