-- An action has come so far.
-- ARGV: id, owner, lease in ms, cursor ("" to leave it), "done" where that was the last, then counter, by ...; a counter
-- that begins with "why:" is followed by a sample after its number; beyond MOST_WHYS of these all others are "why:"
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
local MOST_WHYS, i = 200, 6
while i <= #ARGV do
  local counter, by = ARGV[i], ARGV[i + 1]
  i = i + 2
  if counter:sub(1, 4) == 'why:' then
    if redis.call('HEXISTS', key, counter) == 0 and redis.call('HLEN', key) > 2 * MOST_WHYS then counter = 'why:' end
    redis.call('HSETNX', key, 'eg:' .. counter:sub(5), ARGV[i])
    i = i + 1
  end
  redis.call('HINCRBY', key, counter, by)
end
if ARGV[5] == 'done' then
  redis.call('HSET', key, 'state', 'done', 'ended_ms', now)
  redis.call('HDEL', key, 'owner', 'lease_until_ms')
end
return 1
