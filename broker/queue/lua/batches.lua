-- Part: batches in the stream.

-- Append a batch. any_age: a person replayed bodies that were too old, so intake accepts any age. origin and places: for
-- bodies that were in another batch before, that batch and their places in it (packed), which name their markers.
local function queue_batch(bodies, blob, any_age, origin, places)
  local fields = { 'n', bodies, 'z', blob }
  local function add(name, value) fields[#fields + 1], fields[#fields + 2] = name, value end
  if any_age then add('a', '1') end
  if origin and origin ~= '' then
    add('o', origin)
    add('p', places)
  end
  redis.call('XADD', K.stream, '*', unpack(fields))
end
