-- Notifications that died go back into the queue as one job and stop being dead letters.
-- ARGV: action, owner, job, size, blob, then letter ids: one for each notification in the order of the job, or a
-- single one that was the job as a whole
-- Returns how many letters that were; -1 where the action does not go on. One that has gone is settled in the job.
if not may_act(ARGV[1], ARGV[2]) then return -1 end
local job, size = ARGV[3], tonumber(ARGV[4])
local there, gone = {}, {}
for i = 6, #ARGV do
  if redis.call('EXISTS', K.dead .. ARGV[i]) == 1 then there[#there + 1] = ARGV[i] else gone[#gone + 1] = i - 6 end
end
if #there == 0 then return 0 end
if #gone > 0 then redis.call('SADD', K.done .. job, unpack(gone)) end
local open = size - redis.call('SCARD', K.done .. job)
enqueue(job, ARGV[5], 0)
for i = 1, #there do remove_dead_letter(there[i]) end
count({ dead = -open, waiting = open, replayed = #there })
acted(ARGV[1], #there)
return #there
