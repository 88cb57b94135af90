-- Turn a job that cannot be read into one dead letter, with the job as its body. The job's settled indices are kept, so
-- that a replay does not repeat them.
-- Arguments: blobs (named in the letter by their index), job (id), size (its notifications), letter (LETTER in
-- broker/dead_letters/packing.py).
-- Returns how many notifications of the job were open; 0 where the job is gone.
-- Run twice: 0 the second time.
drain_when_full()
if redis.call('DEL', K.job) == 0 then return 0 end
local open = size - redis.call('SCARD', K.done)
local died = add_dead_letter(letter, blobs)
redis.call('DEL', K.in_progress, K.retry, K.unrecognized)
redis.call('ZREM', K.queue, job)
count({ dead = open, waiting = -open, died = died })
return open
