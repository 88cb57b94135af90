-- Add dead letters from a file, with the times they died at. Each counts as if it had arrived and died here.
-- Arguments: blobs (named below by their index), rows (of {letter (LETTER in packing.py), ms at which it died as text,
-- bodies (0 for a notification), index of its notes or 0, job id or "", size of the job, its settled indices}).
-- Returns how many did not exist. A letter whose job was replayed exists, as that job.
-- Run twice: 0 the second time.
refuse_if_full()
local imported, dead_at_intake, dead = 0, 0, 0
for i = 1, #rows do
  local letter, died_at, bodies, notes, job, size, settled = unpack(rows[i])
  local is_replayed = job ~= '' and redis.call('EXISTS', P.job .. job) == 1
  if not is_replayed and add_dead_letter(letter, blobs, died_at) == 1 then
    imported = imported + 1
    dead_at_intake = dead_at_intake + bodies
    if notes > 0 then redis.call('SET', P.dead_notes .. letter[LETTER_ID], blobs[notes]) end
    if job ~= '' then
      if #settled > 0 then redis.call('SADD', P.done .. job, unpack(settled)) end
      dead = dead + size - redis.call('SCARD', P.done .. job)
    elseif bodies == 0 then
      dead = dead + 1
    end
  end
end
count({ accepted = dead_at_intake, dead_at_intake = dead_at_intake, created = dead, dead = dead, imported = imported })
return imported
