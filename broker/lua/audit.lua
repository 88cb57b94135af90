-- Who did what: what every script begins with that a person is behind.

-- Append an audit entry (msgpack, "" for none) down in the step that does it: one that was done is never untold.
local function append_audit(audit_entry)
  if audit_entry ~= '' then redis.call('XADD', K.audit, 'MAXLEN', '~', K.audit_max, '*', 'd', audit_entry) end
end
