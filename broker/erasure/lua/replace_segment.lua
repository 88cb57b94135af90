-- Replace fields of a sealed segment of the history.
-- Arguments: blobs (field, value, field, value ...; an empty value removes the field), segment (its id), version (the
-- field `v` as it was read, "" without one).
-- Returns 1, or 0 where another process has changed the segment since it was read, or it is gone.
-- Run twice: 0 the second time, which reads the segment again and then finds nothing to do.
go_on_when_full()
if redis.call('EXISTS', K.history_segment) == 0 then return 0 end
if (redis.call('HGET', K.history_segment, 'v') or '') ~= version then return 0 end
for i = 1, #blobs, 2 do
  if blobs[i + 1] == '' then
    redis.call('HDEL', K.history_segment, blobs[i])
  else
    redis.call('HSET', K.history_segment, blobs[i], blobs[i + 1])
  end
end
redis.call('HINCRBY', K.history_segment, 'v', 1)
return 1
