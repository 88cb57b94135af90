-- Replace the oldest entries of the history by a sealed segment.
-- Arguments: blobs (field, value, field, value ...), segment (its id, which is that of the first entry), after (the
-- first id that stays), info (the description of the segment), ttl_s.
-- Returns 1, or 0 where the first entry is gone: another worker has sealed it, or Redis has dropped it.
-- Run twice: 0 the second time.
drain_when_full()
if #redis.call('XRANGE', K.history, segment, segment) == 0 then return 0 end
redis.call('DEL', K.history_segment)
for first = 1, #blobs, 1000 do
  redis.call('HSET', K.history_segment, unpack(blobs, first, math.min(first + 999, #blobs)))
end
redis.call('EXPIRE', K.history_segment, ttl_s)
redis.call('HSET', K.history_segments, segment, info)
redis.call('EXPIRE', K.history_segments, ttl_s)
redis.call('XTRIM', K.history, 'MINID', after)
return 1
