-- Make a notification of a job that waits due now, for a person: in a job of its own, whose id says that it was asked
-- for.
-- Arguments: job (id), new_job (id), size (notifications of the job), number (of the notification in the job), channel,
-- new_blob (the new job), audit_entry (msgpack).
-- Returns "done", or why nothing changed: "running" where a worker has the job, "gone" where the notification does not
-- wait there any more, "due" where it is due already, "paused" and "open" where its channel takes none.
-- Run twice: "gone" the second time, and there is no second audit entry.
drain_when_full()
if redis.call('EXISTS', K.in_progress) == 1 then return 'running' end
if redis.call('EXISTS', K.job) == 0 or redis.call('SISMEMBER', K.done, number) == 1 then return 'gone' end
local held_since_ms, due_ms = redis.call('ZSCORE', K.held_jobs, job), redis.call('ZSCORE', K.queue, job)
local held_ms = tonumber(redis.call('GET', K.held_ms) or 0)
if held_since_ms then
  local open_until_ms, paused_since_ms = unpack(redis.call('HMGET', K.channel_state, 'open_until_ms', 'paused_since_ms'))
  if paused_since_ms then return 'paused' end
  if moment(open_until_ms) > 0 then return 'open' end
  local since_ms = tonumber(held_since_ms)
  if since_ms > 0 then held_ms = held_ms + math.max(0, now - since_ms) end -- Hookline writes no other time
elseif not due_ms then
  return 'gone'
elseif tonumber(due_ms) <= now then
  return 'due'
end
redis.call('SADD', K.done, number)
enqueue(new_job, new_blob, 0)
if held_ms > 0 then redis.call('SET', K.new_held_ms, string.format('%.0f', held_ms)) end
append_audit(audit_entry)
if size - redis.call('SCARD', K.done) <= 0 then
  redis.call('ZREM', K.held_jobs, job)
  finish(job)
end
wake_a_worker()
return 'done'
