-- Remove a worker that stops from the lists of live and of active workers.
-- Arguments: worker (its name), group (as it was registered).
-- Returns 1.
-- Run twice: nothing changes.
go_on_when_full()
redis.call('ZREM', K.workers, worker)
redis.call('ZREM', K.active_workers, group .. ' ' .. worker)
return 1
