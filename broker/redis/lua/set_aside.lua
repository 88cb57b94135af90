-- Move away the value for which Redis refused a command: see base.lua. The client calls this for commands outside
-- scripts.
-- Arguments: target (the key of the command), refusal (the error of Redis), command, field ("" where it has none).
-- Returns 1 where a value was moved, so that the command can run again; else 0.
-- Run twice: the key is empty the second time, so nothing changes.
go_on_when_full()
-- Only HINCRBY has a field that moves alone. made_way would look for the key of XGROUP in its second word.
if command ~= 'HINCRBY' then command = '' end
return made_way(refusal, command, K.target, field) and 1 or 0
