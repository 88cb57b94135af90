-- Events leave a digest that waits for the end of its window.
-- ARGV: digest, the first event as it lay on the list, its channels, those of the first event that stays or 0 where none
-- does, then events ...
-- Returns 0 where the list is another by now: nothing was done.
go_on_when_full()
local list = K.digest .. ARGV[1]
if redis.call('LINDEX', list, 0) ~= ARGV[2] then return 0 end
local stays = tonumber(ARGV[4])
local left = redis.call('LLEN', list) - (#ARGV - 4)
if (left > 0) ~= (stays > 0) then return 0 end
for i = 5, #ARGV do redis.call('LREM', list, 1, ARGV[i]) end
if left > 0 then
  local more = stays - ARGV[3]
  count({ created = more, waiting = more })
else
  local gone = tonumber(ARGV[3])
  redis.call('ZREM', K.digests, ARGV[1])
  count({ waiting = -gone, dead = gone, forgotten = gone })
end
return 1
