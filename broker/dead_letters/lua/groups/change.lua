-- Change what people have decided about a failure group. Runs in the control partition, which has these decisions.
-- Arguments: fingerprint, change (the id of this change), set (flat list of names and values), unset (names), stamp (the
-- name of the field that gets the time now; "" for none), knows ("remember": the group counts as known, so that its next
-- letter is no news; "forget": its next letter is news; "" leaves it), kept_ms (how long the decisions stay without
-- letters), most (groups with decisions), audit_entry (msgpack).
-- Returns 1 where that changed something, 0 where it did not, -1 where `most` other groups have decisions.
-- Run twice: `change`, or that the fields to remove are gone, shows that it is done; there is no second audit entry.
go_on_when_full()
if redis.call('HGET', K.dead_group, 'change') == change then return 1 end
redis.call('ZREMRANGEBYSCORE', K.dead_group_states, '-inf', now)
local is_listed = redis.call('ZSCORE', K.dead_group_states, fingerprint)
if #set > 0 and not is_listed and redis.call('ZCARD', K.dead_group_states) >= most then return -1 end

local removed = #unset > 0 and redis.call('HDEL', K.dead_group, unpack(unset)) or 0
if #set == 0 and removed == 0 then return 0 end
if #set > 0 then redis.call('HSET', K.dead_group, 'change', change, unpack(set)) end
if stamp ~= '' then redis.call('HSET', K.dead_group, stamp, string.format('%.0f', now)) end
if redis.call('HLEN', K.dead_group) > redis.call('HEXISTS', K.dead_group, 'change') then
  redis.call('PEXPIRE', K.dead_group, kept_ms)
  redis.call('ZADD', K.dead_group_states, now + kept_ms, fingerprint)
  redis.call('PEXPIRE', K.dead_group_states, kept_ms)
else
  redis.call('DEL', K.dead_group)
  redis.call('ZREM', K.dead_group_states, fingerprint)
end
if knows == 'remember' then
  redis.call('ZADD', K.dead_groups, now, fingerprint)
elseif knows == 'forget' then
  redis.call('ZREM', K.dead_groups, fingerprint)
  redis.call('HDEL', K.dead_unreported, fingerprint)
end
append_audit(audit_entry)
return 1
