-- An alert holds. Whoever makes its mark tells people; the mark ends by itself, in case the teller dies.
-- ARGV: name, record, how long the mark stays in ms
-- Returns 1 for whom it falls to tell. A record begins with 1 once its alert was told, else with 0.
go_on_when_full()
local name = ARGV[1]
local known = redis.call('HGET', K.alerts, name)
if redis.call('PTTL', K.alert .. name) == -1 then redis.call('DEL', K.alert .. name) end -- a mark ends by itself
local mine = redis.call('SET', K.alert .. name, '1', 'NX', 'PX', ARGV[3])
local notified = mine or (known and known:sub(1, 1) == '1')
redis.call('HSET', K.alerts, name, (notified and '1' or '0') .. ARGV[2])
if not mine then return 0 end
count({ alerts = 1 })
return 1
