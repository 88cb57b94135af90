-- Remove an alert that is no longer active.
-- Arguments: name.
-- Returns 1 where the alert was reported to people, so that the caller reports its end; else 0.
-- Run twice: 0 the second time.
local record = redis.call('HGET', K.alerts, name)
redis.call('HDEL', K.alerts, name)
return record and record:sub(1, 1) == '1' and 1 or 0
