-- What came of notifications of one job.
-- ARGV[1] = msgpack {job, size, outcomes, letters, retries}, the other ARGV are blobs named by their place:
--   outcome = {index, "sent" | "skipped" | "dead" | "retry"}
--   letters = {[index as string] = {id, fingerprint, letter blob, body blob}}
--   retry   = {job, delay ms, blob, indices of this job in the order they have in the new one}
-- An index counts once: a second worker whose lease had lapsed changes nothing. When all are settled the job is gone.
-- Returns the notifications of the job that are still open, or -1 where the job is gone already.
local plan = cmsgpack.unpack(ARGV[1])
local job, size, outcomes, letters, retries = plan[1], plan[2], plan[3], plan[4], plan[5]
if redis.call('EXISTS', K.job .. job) == 0 then return -1 end

local changes = { sent = 0, skipped = 0, dead = 0, retry = 0 }
local fresh = {}
for i = 1, #outcomes do
  local index, kind = outcomes[i][1], outcomes[i][2]
  if redis.call('SADD', K.done .. job, index) == 1 then
    fresh[index] = true
    changes[kind] = changes[kind] + 1
    local letter = letters[tostring(index)]
    if letter then bury(letter[1], letter[2], ARGV[letter[3]], ARGV[letter[4]]) end
  end
end

for i = 1, #retries do
  local retry, elsewhere = retries[i], {}
  for place = 1, #retry[4] do
    if not fresh[retry[4][place]] then elsewhere[#elsewhere + 1] = place - 1 end
  end
  if #elsewhere < #retry[4] then
    enqueue(retry[1], ARGV[retry[3]], retry[2])
    if #elsewhere > 0 then redis.call('SADD', K.done .. retry[1], unpack(elsewhere)) end
  end
end

count({
  sent = changes.sent, skipped = changes.skipped, dead = changes.dead,
  waiting = -(changes.sent + changes.skipped + changes.dead), retried = changes.retry,
})
local open = size - redis.call('SCARD', K.done .. job)
if open <= 0 then finish(job) end
return open
