-- Replace an entry by several: one for each body, where a body keeps killing its workers; or one with the bodies that
-- the worker can read and one with the others.
-- Arguments: entry (id), any_age (1 where a person replayed bodies that were too old), origin (the batch that the
-- bodies were received in; "" where only this partition processes them), batches (of {bodies, blob, places}).
-- Returns 1, or 0 where another worker committed or split the entry before.
-- Run twice: nothing changes.
drain_when_full()
if redis.call('XACK', K.stream, GROUP, entry) == 0 then return 0 end
redis.call('XDEL', K.stream, entry)
for i = 1, #batches do
  local bodies, blob, places = unpack(batches[i])
  queue_batch(bodies, blob, any_age == 1, origin, places)
end
return 1
