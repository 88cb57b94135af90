-- Check that this Redis runs scripts and accepts writes. Leaves one key, which expires after PROBE_TTL_MS.
-- Arguments: must_write (1: write in any case; 0: write only if the key has expired). With 0, a probe a second adds
-- nothing to the append-only file: Redis checks whether it accepts a write before it looks for the key.
-- Returns 1; an error of Redis is the finding.
-- Run twice: nothing more changes.
if must_write == 1 then
  redis.call('SET', K.probe, '1', 'PX', PROBE_TTL_MS)
else
  redis.call('SET', K.probe, '1', 'NX', 'PX', PROBE_TTL_MS)
end
return 1
