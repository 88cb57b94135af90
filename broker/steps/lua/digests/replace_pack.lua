-- Replace the events of a pack. Their number stays: a removed event leaves an empty place.
-- Arguments: pack (id), version (that the pack had when it was read), blob (the new events).
-- Returns 1, or 0 where the pack has changed or is gone.
-- Run twice: 0 the second time.
go_on_when_full()
if version == '' or version_of(pack) ~= version then return 0 end
redis.call('HSET', K.digests_events, 'z', blob, 'version', tonumber(version) + 1)
return 1
