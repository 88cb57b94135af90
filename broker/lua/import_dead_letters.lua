-- Dead letters come from a file, with the times they died at. Each is counted as if it had come in and died here.
-- ARGV[1] = msgpack {row ...}, the other ARGV are blobs that these name by their place in ARGV:
--   row = {dead letter (see dead_letters.lua), at ms as text, bodies (0 for a notification), place of its notes or 0, job or "",
--          notifications of the job, those that are settled}
-- Returns how many were not there. One whose job has been handed back is there, as that job.
refuse_if_full()
local rows = cmsgpack.unpack(ARGV[1])
local imported, dead_at_intake, dead = 0, 0, 0
for i = 1, #rows do
  local row = rows[i]
  local id, bodies, job = row[1][1], row[3], row[5]
  local is_back = job ~= '' and redis.call('EXISTS', K.job .. job) == 1
  if not is_back and add_dead_letter(row[1], row[2]) == 1 then
    imported = imported + 1
    dead_at_intake = dead_at_intake + bodies
    if row[4] > 0 then redis.call('SET', K.dead_notes .. id, ARGV[row[4]]) end
    if job ~= '' then
      if #row[7] > 0 then redis.call('SADD', K.done .. job, unpack(row[7])) end
      dead = dead + row[6] - redis.call('SCARD', K.done .. job)
    elseif bodies == 0 then
      dead = dead + 1
    end
  end
end
count({ accepted = dead_at_intake, dead_at_intake = dead_at_intake, created = dead, dead = dead, imported = imported })
return imported
