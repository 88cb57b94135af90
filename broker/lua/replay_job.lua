-- Notifications that died go back into the queue as a job and stop being a dead letter.
-- ARGV: dead letter id, fingerprint, job, size, blob
if redis.call('EXISTS', K.dead .. ARGV[1]) == 0 then return 0 end
local open = tonumber(ARGV[4]) - redis.call('SCARD', K.done .. ARGV[3])
enqueue(ARGV[3], ARGV[5], 0)
unbury(ARGV[1], ARGV[2])
count({ dead = -open, waiting = open, replayed = 1 })
return 1
