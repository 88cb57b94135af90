-- Move away the value for which Redis refused a command: see base.lua. The client calls this for commands outside
-- scripts.
-- Arguments: target (the key of the command), expected (the type that the key should have; "" if that is not known),
-- refusal (the error of Redis), command, field ("" where it has none).
-- Returns 1 where the command can run again; else 0.
-- Run twice: nothing more is moved.
go_on_when_full()

-- The refusal came before this script. Since then another process may have moved the wrong value and written a valid
-- one, for example a batch of webhooks that were answered with 202.
local function is_valid_now()
  if refusal:find('WRONGTYPE', 1, true) then
    local type_now = redis.pcall('TYPE', K.target).ok -- nil for a user of Redis that may not ask
    return type_now == expected or type_now == 'none'
  end
  if command ~= 'HINCRBY' then return false end
  local MOST_DIGITS = 18 -- no counter that Hookline writes is longer
  local value = redis.call('HGET', K.target, field)
  return not value or value:find('^-?%d+$') and #value <= MOST_DIGITS
end

if is_valid_now() then return 1 end
-- Only HINCRBY has a field that moves alone. made_way would look for the key of XGROUP in its second word.
if command ~= 'HINCRBY' then command = '' end
return made_way(refusal, command, K.target, field) and 1 or 0
