-- Replace an entry by others: one for each body, where a body keeps killing its workers; one with the bodies that the
-- worker can read and one with the others; or some with the events that its bodies hold.
-- Arguments: entry (id), any_age (1 where a person replayed bodies that were too old), origin (the batch that the
-- bodies were received in; "" where only this partition processes them), batches (of {bodies, blob, places}), further
-- (by how many the new entries have more bodies; each event of a body counts as an accepted body).
-- Returns 1, or 0 where another worker committed or split the entry before.
-- Run twice: nothing changes.
drain_when_full()
local pending = redis.pcall('XPENDING', K.stream, GROUP, entry, entry, 1)
if pending.err or #pending == 0 then return 0 end
for i = 1, #batches do
  local bodies, blob, places = unpack(batches[i])
  queue_batch(bodies, blob, any_age == 1, origin, places)
end
-- After the new ones: Redis refuses these if another program wrote the highest possible id.
redis.call('XACK', K.stream, GROUP, entry)
redis.call('XDEL', K.stream, entry)
count({ accepted = further, queued = further })
return 1
