-- Part: batches in the stream.

-- Append a batch. any_age: a person replayed bodies that were too old, so intake accepts any age.
local function queue_batch(bodies, blob, any_age)
  if any_age then
    redis.call('XADD', K.stream, '*', 'n', bodies, 'z', blob, 'a', '1')
  else
    redis.call('XADD', K.stream, '*', 'n', bodies, 'z', blob)
  end
end
