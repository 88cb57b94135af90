-- What people do to many dead letters: what every script begins with that works for an action.

-- Whether a step of `action` may be done: it goes on, in this owner's name. "" stands for no action.
local function may_act(action, owner)
  if action == '' then return true end
  local known = redis.call('HMGET', K.action .. action, 'owner', 'state')
  return known[1] == owner and known[2] == 'running'
end

local function acted(action, by)
  if action ~= '' and by > 0 then redis.call('HINCRBY', K.action .. action, 'done', by) end
end
