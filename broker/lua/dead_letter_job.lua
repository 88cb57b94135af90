-- A job that nobody can run becomes one dead letter, its body kept as it is.
-- Its settled indices stay with it, so that a replay does not repeat them.
-- ARGV: job, size, dead letter (msgpack: see dead_letters.lua), then its blobs
drain_when_full()
local job = ARGV[1]
if redis.call('DEL', K.job .. job) == 0 then return 0 end
local open = tonumber(ARGV[2]) - redis.call('SCARD', K.done .. job)
local died = add_dead_letter(cmsgpack.unpack(ARGV[3]))
redis.call('DEL', K.in_progress .. job, K.retry .. job, K.unrecognized .. job)
redis.call('ZREM', K.queue, job)
count({ dead = open, waiting = -open, died = died })
return open
