-- Somebody did something.
-- ARGV: the deed (msgpack), how many are kept, about
go_on_when_full()
redis.call('XADD', K.audit, 'MAXLEN', '~', ARGV[2], '*', 'd', ARGV[1])
return 1
