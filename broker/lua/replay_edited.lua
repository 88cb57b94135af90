-- A copy of a dead letter goes back with another body; the letter stays, with a note of it.
-- ARGV: letter id, note (msgpack), most notes, "body" or a job's id, blob, "any age" where it was stale, audit entry
-- Returns 1; 0 where there is no such letter. Told twice, it is done once.
if redis.call('EXISTS', K.dead .. ARGV[1]) == 0 then return 0 end
if not noted(ARGV[1], cmsgpack.unpack(ARGV[2]), tonumber(ARGV[3])) then return 1 end
append_audit(ARGV[7])
if ARGV[4] == 'body' then
  queue_batch(1, ARGV[5], ARGV[6] == 'any age')
  count({ accepted = 1, queued = 1, edited = 1 })
else
  enqueue(ARGV[4], ARGV[5], 0)
  count({ created = 1, waiting = 1, edited = 1 })
end
return 1
