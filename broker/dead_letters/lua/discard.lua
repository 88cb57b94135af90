-- Delete dead letters. They stay counted as dead_at_intake or dead; the counter says why they were deleted.
-- Arguments: action (id; "" for none), owner (of the action), counter ("discarded", "purged" or "forgotten"), letters
-- (of {letter id, job id or ""}; the job's settled indices are deleted with the letter).
-- Returns how many existed; -1 where the action was stopped or has another owner: nothing changed.
-- Run twice: 0 the second time.
if not may_act(action, owner) then return -1 end
local discarded = 0
for i = 1, #letters do
  local id, job = unpack(letters[i])
  if remove_dead_letter(id) == 1 then
    discarded = discarded + 1
    if job ~= '' then redis.call('DEL', P.done .. job) end
  end
end
count({ [counter] = discarded })
acted(action, discarded)
return discarded
