-- Part: bulk actions, which a person starts for many dead letters and one owner at a time works on.

-- Returns whether a step of an action may run: the action is running and has this owner. "" means no action.
local function may_act(action, owner)
  if action == '' then return true end
  local known_owner, state = unpack(redis.call('HMGET', P.action .. action, 'owner', 'state'))
  return known_owner == owner and state == 'running'
end

-- Count letters as done in the same step that changes them.
local function acted(action, letters)
  if action ~= '' and letters > 0 then redis.call('HINCRBY', P.action .. action, 'done', letters) end
end
