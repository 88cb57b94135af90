-- Take a batch out of the stream of this partition, which will be removed. A worker that has read it cannot commit it.
-- Arguments: layout (while data moves), entry (id).
-- Returns 1, or 0 where it is not there, or -1 where data does not move any more.
-- Run twice: 0 the second time.
go_on_when_full()
if not is_moving(layout) then return -1 end
local entries = redis.call('XRANGE', K.stream, entry, entry)
if #entries == 0 then return 0 end
local _, pairs_of_entry = unpack(unpack(entries))
local fields = {}
for name, value in each_pair(pairs_of_entry) do fields[name] = value end
redis.call('HSET', K.repartition_out, 'entry:' .. entry,
  cmsgpack.pack({ fields.n or '0', fields.z or '', fields.a and '1' or '', fields.o or '', fields.p or '' }))
redis.call('XACK', K.stream, GROUP, entry)
redis.call('XDEL', K.stream, entry)
return 1
