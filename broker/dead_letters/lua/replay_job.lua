-- Put notifications that died back into the queue as one job, and remove their dead letters.
-- Arguments: ids (dead letters, one for each notification in the order of the job; or a single one that is a whole
-- job), action (id; "" for none), owner (of the action), job (id), size (its notifications), blob.
-- Returns how many letters; 0 where all are gone; -1 where the action was stopped or has another owner. After 0 and -1
-- nothing changed. The notification of a letter that is gone is settled in the job from the start.
-- Run twice: 0 the second time.
if not may_act(action, owner) then return -1 end
local there, gone = {}, {}
for i = 1, #ids do
  if redis.call('EXISTS', P.dead .. ids[i]) == 1 then there[#there + 1] = ids[i] else gone[#gone + 1] = i - 1 end
end
if #there == 0 then return 0 end
if #gone > 0 then redis.call('SADD', K.done, unpack(gone)) end
local open = size - redis.call('SCARD', K.done)
enqueue(job, blob, 0)
wake_a_worker()
for i = 1, #there do remove_dead_letter(there[i]) end
count({ dead = -open, waiting = open, replayed = #there })
acted(action, #there)
return #there
