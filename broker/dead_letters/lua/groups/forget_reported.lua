-- Remove failure groups that an alert has reported, unless they are news again since that was read.
-- Arguments: groups (flat list of fingerprints, and of the id of the first letter that was read with each).
-- Returns how many were removed.
-- Run twice: the second time nothing changes.
local removed = 0
for i = 1, #groups, 2 do
  if redis.call('HGET', K.dead_unreported, groups[i]) == groups[i + 1] then
    removed = removed + redis.call('HDEL', K.dead_unreported, groups[i])
  end
end
return removed
