-- One worker of all looks for causes of alerts this time.
-- ARGV: how long that stays so in ms
-- Returns 1 for the worker that does. A mark ends by itself: what never ends is none.
go_on_when_full()
if redis.call('PTTL', K.alert_lease) == -1 then redis.call('DEL', K.alert_lease) end
return redis.call('SET', K.alert_lease, '1', 'NX', 'PX', ARGV[1]) and 1 or 0
