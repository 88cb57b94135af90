-- Keep for longer what people have decided about failure groups that have letters.
-- Arguments: fingerprints, kept_ms (how long the decisions stay without letters).
-- Returns how many of these groups have decisions.
-- Run twice: nothing more changes.
go_on_when_full()
local kept = 0
for i = 1, #fingerprints do
  if redis.call('PEXPIRE', P.dead_group .. fingerprints[i], kept_ms) == 1 then
    redis.call('ZADD', K.dead_group_states, now + kept_ms, fingerprints[i])
    kept = kept + 1
  end
end
if kept > 0 then redis.call('PEXPIRE', K.dead_group_states, kept_ms) end
return kept
