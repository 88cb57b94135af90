-- Remove bodies from a batch that no worker has taken yet. The other bodies stay, as a batch of their own.
-- Arguments: entry (id), leaving (bodies that are removed), staying (bodies that stay), blob (the batch of these),
-- any_age (1 where a person replayed bodies that were too old), origin and places (of these bodies: see batches.lua).
-- Returns 1, 0 where the entry is gone, -1 where a worker has it.
-- Run twice: 0 the second time.
drain_when_full()
local pending = redis.pcall('XPENDING', K.stream, GROUP, entry, entry, 1)
if not pending.err and #pending > 0 then return -1 end
if #redis.call('XRANGE', K.stream, entry, entry) == 0 then return 0 end
if staying > 0 then queue_batch(staying, blob, any_age == 1, origin, places) end
redis.call('XDEL', K.stream, entry)
count({ queued = -leaving, dead_at_intake = leaving, forgotten = leaving })
return 1
