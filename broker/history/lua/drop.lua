-- Remove sealed segments of the history.
-- Arguments: segments (ids).
-- Returns how many of them there were.
-- Run twice: 0 the second time.
go_on_when_full()
local dropped = 0
for i = 1, #segments do
  redis.call('DEL', P.history_segment .. segments[i])
  dropped = dropped + redis.call('HDEL', K.history_segments, segments[i])
end
return dropped
