-- Take a digest out of this partition, with the notifications that it counts for. From then on no worker closes it.
-- Arguments: layout (while data moves), digest (id).
-- Returns 1, or 0 where the digest is not here, or -1 where data does not move any more.
-- Run twice: 0 the second time.
go_on_when_full()
if not is_moving(layout) then return -1 end
local ends_ms = redis.call('ZSCORE', K.digests, digest)
if not ends_ms or redis.call('LLEN', K.digest) == 0 or redis.call('EXISTS', K.repartition_digest) == 1 then return 0 end
local counted = tonumber(redis.call('HGET', K.digests_counted, digest))
redis.call('HSET', K.repartition_out, 'digest:' .. digest, cmsgpack.pack({ ends_ms, tostring(counted) }))
redis.call('RENAME', K.digest, K.repartition_digest)
redis.call('ZREM', K.digests, digest)
redis.call('HDEL', K.digests_counted, digest)
redis.call('HINCRBY', K.stats_total, 'created', -counted)
redis.call('HINCRBY', K.stats_total, 'waiting', -counted)
return 1
