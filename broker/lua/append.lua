-- A batch joins the stream and is counted.
-- ARGV: bodies, batch
local bodies = tonumber(ARGV[1])
queue_batch(bodies, ARGV[2])
count({ accepted = bodies, queued = bodies })
return bodies
