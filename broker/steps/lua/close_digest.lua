-- Turn the first events of a digest, whose window has ended, into jobs. Later events open a new window.
-- Arguments: blobs (named below by their index), digest (id), first and last (the first and last of the events as the
-- list has them), taken (how many events), window_ms, jobs (one for each channel), letters (dead letters, one for each
-- event that cannot be read), history (the row of the digest; 0 for none). Their fields: see broker/steps/digests.py (JOB) and broker/dead_letters/packing.py
-- (LETTER).
-- Returns 1, or 0 where the list does not hold these events: another worker closed the digest, or an event was removed.
-- Run twice: 0 the second time.
drain_when_full()
if redis.call('LINDEX', K.digest, 0) ~= first then return 0 end
if redis.call('LINDEX', K.digest, taken - 1) ~= last then return 0 end
for i = 1, #jobs do enqueue(jobs[i][JOB_ID], blobs[jobs[i][JOB_BLOB]], 0) end
local died = 0
for i = 1, #letters do died = died + add_dead_letter(letters[i], blobs) end
record('e', blobs[history], { 'n' })
redis.call('LTRIM', K.digest, taken, -1)
local left = redis.call('LLEN', K.digest)
local counted, channels = tonumber(redis.call('HGET', K.digests_counted, digest)), 0
if left == 0 then
  redis.call('ZREM', K.digests, digest)
  redis.call('HDEL', K.digests_counted, digest)
else
  channels = #jobs > 0 and #jobs or counted
  redis.call('ZADD', K.digests, left >= DIGEST_MAX and now or now + window_ms, digest)
  redis.call('HSET', K.digests_counted, digest, channels)
end
local more = #jobs + channels - counted
count({ created = more + #letters, waiting = more, dead = #letters, died = died })
return 1
