-- Record that a worker is alive, even on a full Redis.
-- Arguments: health (the worker's key), config (fingerprint of the config that it runs with), lasts_ms.
-- Returns 1.
-- Run twice: the time starts again.
go_on_when_full()
redis.call('SET', K.health, config, 'PX', lasts_ms)
return 1
