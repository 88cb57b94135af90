-- Dead letters are thrown away. The sums keep them as dead_at_intake or dead; a counter says how many are gone, and how.
-- ARGV: action, owner, "discarded" | "purged" | "forgotten", then letter id, job ("" where none belongs to it) ...
-- Returns how many were there; -1 where the action does not go on.
if not may_act(ARGV[1], ARGV[2]) then return -1 end
local found = 0
for i = 4, #ARGV, 2 do
  if remove_dead_letter(ARGV[i]) == 1 then
    found = found + 1
    if ARGV[i + 1] ~= '' then redis.call('DEL', K.done .. ARGV[i + 1]) end
  end
end
count({ [ARGV[3]] = found })
acted(ARGV[1], found)
return found
