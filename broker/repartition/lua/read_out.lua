-- Read what has left this partition and may not have arrived in another one.
-- Arguments: names (fields of repartition:out).
-- Returns the packed row of each; {} for one that is gone.
-- Only reads.
local rows = {}
for i = 1, #names do
  local row = redis.call('HGET', K.repartition_out, names[i])
  rows[i] = row and cmsgpack.unpack(row) or {}
end
return rows
