-- Go on with an action: one that was stopped, or whose owner gave no sign of life for as long as its lease.
-- ARGV: id, owner, lease in ms, audit entry of the person who wants it, which may be one that was stopped; "" for nobody
-- Returns 1 where it is the owner's now.
go_on_when_full()
local key = K.action .. ARGV[1]
local known = redis.call('HMGET', key, 'state', 'owner', 'lease_until_ms')
if known[1] == 'stopped' and ARGV[4] == '' then return 0 end
if known[1] ~= 'stopped' and known[1] ~= 'running' then return 0 end
local has_owner = known[1] == 'running' and moment(known[3]) > now
if has_owner and known[2] ~= ARGV[2] then return 0 end
redis.call('HSET', key, 'state', 'running', 'owner', ARGV[2], 'lease_until_ms', now + tonumber(ARGV[3]))
if not has_owner then append_audit(ARGV[4]) end
return 1
