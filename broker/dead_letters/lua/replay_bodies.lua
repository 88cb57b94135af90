-- Put bodies that died at intake back into the stream as one batch, and remove their dead letters.
-- Arguments: action (id; "" for none), owner (of the action), blob (the batch), any_age (1: intake accepts old events),
-- letters (of {letter id, bodies}).
-- Returns how many letters; 0 where one of them is gone, since the batch would be wrong then; -1 where the action was
-- stopped or has another owner. After 0 and -1 nothing changed.
-- Run twice: 0 the second time.
if not may_act(action, owner) then return -1 end
local bodies = 0
for i = 1, #letters do
  local id, bodies_of_letter = unpack(letters[i])
  if redis.call('EXISTS', P.dead .. id) == 0 then return 0 end
  bodies = bodies + bodies_of_letter
end
queue_batch(bodies, blob, any_age == 1)
for i = 1, #letters do remove_dead_letter((unpack(letters[i]))) end
count({ dead_at_intake = -bodies, queued = bodies, replayed = #letters })
acted(action, #letters)
return #letters
