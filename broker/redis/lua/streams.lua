-- Part: streams of records for people, on which nothing else depends.

-- Append an entry. A stream that takes none, because another program wrote the highest possible id into it, is set aside:
-- an error here would leave the other writes of a script half done.
local function append_record(key, ...)
  local answer = redis.pcall('XADD', key, ...)
  if type(answer) ~= 'table' or not answer.err then return end
  local is_full = answer.err:find('last possible ID', 1, true)
  made_way(is_full and 'WRONGTYPE' or answer.err, 'XADD', key)
  driver.call('XADD', key, ...)
end
