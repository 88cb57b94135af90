-- Mark dead digests of this partition to be retried, because one of their events was delivered again. The event is at home
-- in another partition, and counts there.
-- Arguments: partitions (the number for which homes were computed), members (identities of the events).
-- Returns for how many of the events a dead letter was marked.
-- Run twice: what is marked is not marked again, and 0 is returned.
go_on_when_full()
local wrong = layout_error(partitions)
if wrong then return wrong end
if redis.call('EXISTS', K.dead_index) == 0 then return 0 end
local retried = 0
for i = 1, #members do
  local _, marked = mark_dead_for_retry(members[i])
  if marked > 0 then retried = retried + 1 end
end
if retried > 0 then
  count({ retried_on_redelivery = retried })
  wake_a_worker()
end
return retried
