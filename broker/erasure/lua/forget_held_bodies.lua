-- Remove or rewrite bodies that wait for another partition.
-- Arguments: home (the number of that partition), leaving (bodies that are removed), before (the element of the list as
-- it was read), after (the element that replaces it; "" where no body stays).
-- Returns 1, or 0 where the element is gone or has changed.
-- Run twice: 0 the second time.
go_on_when_full()
local place = redis.call('LPOS', K.held_bodies, before)
if not place then return 0 end
if after == '' then
  redis.call('LREM', K.held_bodies, 1, before)
else
  redis.call('LSET', K.held_bodies, place, after)
end
count({ queued = -leaving, dead_at_intake = leaving, forgotten = leaving })
return 1
