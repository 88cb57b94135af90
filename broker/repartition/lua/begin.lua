-- Begin to move the data to another number of partitions, or go on with a move that was begun.
-- Arguments: old and new (numbers of partitions as text).
-- Returns {old, new, phase} of the move that is in progress now.
-- Run twice: the move that was begun first goes on.
go_on_when_full()
if redis.call('EXISTS', K.repartition) == 0 then
  redis.call('HSET', K.repartition, 'old', old, 'new', new, 'phase', 'moving')
end
return redis.call('HMGET', K.repartition, 'old', 'new', 'phase')
