-- Bodies leave a batch that no worker has taken yet; the others go on as a batch of their own.
-- ARGV: entry id, bodies that leave, bodies that stay, the batch of these, "any age" where a person replayed them
-- Returns 1; 0 where the entry has gone; -1 where a worker has it.
drain_when_full()
local held = redis.pcall('XPENDING', K.stream, K.group, ARGV[1], ARGV[1], 1)
if not held.err and #held > 0 then return -1 end
if redis.call('XDEL', K.stream, ARGV[1]) == 0 then return 0 end
local gone = tonumber(ARGV[2])
if tonumber(ARGV[3]) > 0 then queue_batch(tonumber(ARGV[3]), ARGV[4], ARGV[5] == 'any age') end
count({ queued = -gone, dead_at_intake = gone, forgotten = gone })
return 1
