-- Events leave a digest that waits for the end of its window, or are written anew.
-- ARGV: digest, the first event as it lay on the list, the channels of the first event that stays and can be read (0 where
-- none stays, -1 where none of those can be read), how many leave, then event, what takes its place ("" for nothing) ...
-- Returns 0 where the list is another by now: nothing was done.
go_on_when_full()
local list = K.digest .. ARGV[1]
if redis.call('LINDEX', list, 0) ~= ARGV[2] then return 0 end
local stays = tonumber(ARGV[3])
local left = redis.call('LLEN', list) - tonumber(ARGV[4])
if (left > 0) ~= (stays ~= 0) then return 0 end
for i = 5, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('LREM', list, 1, ARGV[i])
  else
    local place = redis.call('LPOS', list, ARGV[i])
    if place then redis.call('LSET', list, place, ARGV[i + 1]) end
  end
end
local counted = tonumber(redis.call('HGET', K.digests_counted, ARGV[1]))
if left == 0 then
  redis.call('ZREM', K.digests, ARGV[1])
  redis.call('HDEL', K.digests_counted, ARGV[1])
  count({ waiting = -counted, dead = counted, forgotten = counted })
elseif stays > 0 then
  redis.call('HSET', K.digests_counted, ARGV[1], stays)
  count({ created = stays - counted, waiting = stays - counted })
end
return 1
