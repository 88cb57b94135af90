-- Read packs of events that wait in digests.
-- Arguments: ids.
-- Returns {version, pack} for each; the version is "" for one that is gone.
-- Only reads.
local found = {}
for i = 1, #ids do
  found[i] = { version_of(ids[i]), redis.call('HGET', P.digests_events .. ids[i], 'z') or '' }
end
return found
