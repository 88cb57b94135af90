-- Send a copy of a dead letter with another body. The letter stays and gets a note.
-- Arguments: letter (id), most_notes (of a letter), job (id of the new job; "" for a body that goes into the stream),
-- blob (the job or batch), any_age (1: intake accepts old events), audit_entry (msgpack), note ({ms, who, text}).
-- Returns 1, or 0 where the letter does not exist.
-- Run twice: the note exists the second time, so nothing changes.
if redis.call('EXISTS', K.dead) == 0 then return 0 end
if not add_note(letter, note, most_notes) then return 1 end
append_audit(audit_entry)
if job == '' then
  queue_batch(1, blob, any_age == 1)
  count({ accepted = 1, queued = 1, edited = 1 })
else
  enqueue(job, blob, 0)
  wake_a_worker()
  count({ created = 1, waiting = 1, edited = 1 })
end
return 1
