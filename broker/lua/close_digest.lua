-- The window of a digest has ended: its first events become jobs, what came behind them opens a new window.
-- ARGV: digest, the first and the last of the events that are taken as they lie on the list, how many these are,
-- window ms, msgpack {jobs, letters}, then the blobs that these name by their place in ARGV:
--   job     = {id, blob}, one for each channel
--   letters = dead letters (see dead_letters.lua), one for each event that nobody can read
-- Returns 0 where they do not lie so: somebody closed this one before, or removed an event.
drain_when_full()
local list, plan = K.digest .. ARGV[1], cmsgpack.unpack(ARGV[6])
local jobs, letters, died = plan[1], plan[2], 0
if redis.call('LINDEX', list, 0) ~= ARGV[2] then return 0 end
if redis.call('LINDEX', list, ARGV[4] - 1) ~= ARGV[3] then return 0 end
for i = 1, #jobs do enqueue(jobs[i][1], ARGV[jobs[i][2]], 0) end
for i = 1, #letters do died = died + add_dead_letter(letters[i]) end
redis.call('LTRIM', list, ARGV[4], -1)
local left = redis.call('LLEN', list)
local counted, channels = tonumber(redis.call('HGET', K.digests_counted, ARGV[1])), 0
if left == 0 then
  redis.call('ZREM', K.digests, ARGV[1])
  redis.call('HDEL', K.digests_counted, ARGV[1])
else
  channels = #jobs > 0 and #jobs or counted
  redis.call('ZADD', K.digests, left >= K.digest_max and now or now + ARGV[5], ARGV[1])
  redis.call('HSET', K.digests_counted, ARGV[1], channels)
end
local more = #jobs + channels - counted
count({ created = more + #letters, waiting = more, dead = #letters, died = died })
return 1
