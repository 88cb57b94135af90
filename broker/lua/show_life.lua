-- A worker is alive.
-- ARGV: key, how long that holds in ms
go_on_when_full()
redis.call('SET', ARGV[1], '1', 'PX', ARGV[2])
return 1
