-- A body that died at intake goes back into the stream and stops being a dead letter.
-- ARGV: dead letter id, fingerprint, bodies, batch, "any age" where a person takes what was stale
if redis.call('EXISTS', K.dead .. ARGV[1]) == 0 then return 0 end
local bodies = tonumber(ARGV[3])
queue_batch(bodies, ARGV[4], ARGV[5] == 'any age')
unbury(ARGV[1], ARGV[2])
count({ buried = -bodies, queued = bodies, replayed = 1 })
return 1
