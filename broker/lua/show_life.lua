-- A worker is alive.
-- ARGV: key, the config that it runs with, how long that holds in ms
go_on_when_full()
redis.call('SET', ARGV[1], ARGV[2], 'PX', ARGV[3])
return 1
