-- Take the oldest audit entries out of this partition, which will be removed.
-- Arguments: layout (while data moves), name (of the row that keeps them), most (entries).
-- Returns how many, or -1 where data does not move any more.
-- Run twice: the second run takes the next ones.
go_on_when_full()
if not is_moving(layout) then return -1 end
local entries, row = redis.call('XRANGE', K.audit, '-', '+', 'COUNT', most), {}
for i = 1, #entries do
  local id, fields = unpack(entries[i])
  local _, entry = unpack(fields)
  row[#row + 1] = id
  row[#row + 1] = entry
  redis.call('XDEL', K.audit, id)
end
if #row > 0 then redis.call('HSET', K.repartition_out, name, cmsgpack.pack(row)) end
return #entries
