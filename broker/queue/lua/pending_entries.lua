-- Check which entries workers have read and not committed. This also writes one key, because WAIT and WAITAOF wait only
-- for the writes of their own connection.
-- Arguments: entries (ids).
-- Returns those of them that are pending.
-- Run twice: nothing more changes.
go_on_when_full()
redis.call('SET', K.probe, '1', 'PX', PROBE_TTL_MS)
local pending = {}
for i = 1, #entries do
  local found = redis.pcall('XPENDING', K.stream, GROUP, entries[i], entries[i], 1) -- without a group: an error
  if #found > 0 then pending[#pending + 1] = entries[i] end
end
return pending
