-- Replace a value if it is still what the caller read (compare and set): a string, or one field of a hash.
-- Arguments: target (the key), field ("" for a string), before (the value that was read), after (the new value; ""
-- deletes).
-- Returns 1, or 0 where the value has changed or is gone.
-- Run twice: 0 the second time.
go_on_when_full()
if field == '' then
  if redis.call('GET', K.target) ~= before then return 0 end
  if after == '' then redis.call('DEL', K.target) else redis.call('SET', K.target, after) end
else
  if redis.call('HGET', K.target, field) ~= before then return 0 end
  if after == '' then redis.call('HDEL', K.target, field) else redis.call('HSET', K.target, field, after) end
end
return 1
