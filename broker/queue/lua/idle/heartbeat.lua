-- Record that a worker is alive, even on a full Redis, and look for work that other processes left.
-- Arguments: health (the worker's key), config (fingerprint of the config that it runs with), lasts_ms, lease_ms (of
-- the worker's leases).
-- Returns {now in ms since 1970, ms until the next job is due, ms until the next digest is due (each -1 for none),
-- channels that have any state, dead letters to retry, stream entries that workers have read and not committed}.
-- Run twice: the time starts again.
go_on_when_full()
redis.call('SET', K.health, config, 'PX', lasts_ms)
note_worker(lease_ms)
make_due(K.queue)
make_due(K.digests)
make_due(K.digests_ends)
local pending = unpack(redis.pcall('XPENDING', K.stream, GROUP)) -- nil where Redis has lost the group
-- Windows of an older version are taken in at once.
local digests_ms = redis.call('ZCARD', K.digests) > 0 and 0 or next_due_ms(K.digests_ends)
return { now, next_due_ms(K.queue), digests_ms, redis.call('SCARD', K.channels),
  redis.call('SCARD', K.dead_to_retry), tonumber(pending or 0) }
