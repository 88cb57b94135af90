-- Record that an alert is active. The caller that takes the alert's mark reports it to people; the mark expires, in
-- case that caller dies before it has.
-- Arguments: name, record (JSON), mark_ms (how long the mark lasts).
-- Returns 1 for the caller that is to report the alert, else 0.
-- Run twice: 0 the second time, while the mark lasts. In `alerts`, a record begins with 1 once its alert was reported,
-- and with 0 before.
go_on_when_full()
local old_record = redis.call('HGET', K.alerts, name)
local is_mine = acquire_lease(K.alert, '1', mark_ms)
local is_reported = is_mine or (old_record and old_record:sub(1, 1) == '1')
redis.call('HSET', K.alerts, name, (is_reported and '1' or '0') .. record)
if not is_mine then return 0 end
count({ alerts = 1 })
return 1
