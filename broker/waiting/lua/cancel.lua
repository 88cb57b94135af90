-- Take a notification out of a job that waits, for a person. It counts as skipped.
-- Arguments: blobs (the history row), job (id), size (its notifications), number (of the notification in the job),
-- channel, history (the index of the row; 0 for none), audit_entry (msgpack).
-- Returns "done", or why nothing changed: "running" where a worker has the job, "gone" where the notification does not
-- wait there any more.
-- Run twice: "gone" the second time, and there is no second audit entry.
go_on_when_full()
if redis.call('EXISTS', K.in_progress) == 1 then return 'running' end
if redis.call('EXISTS', K.job) == 0 or redis.call('SADD', K.done, number) == 0 then return 'gone' end
count({ skipped = 1, waiting = -1 })
record('oc', blobs[history], { 'n' })
append_audit(audit_entry)
if size - redis.call('SCARD', K.done) <= 0 then
  redis.call('ZREM', K.held_jobs, job)
  finish(job)
end
return 'done'
