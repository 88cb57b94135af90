-- Part: the audit log.

-- Append an audit entry (msgpack; "" for none). A script that makes a change for a person appends the entry itself, so
-- that no change is made without an audit entry.
local function append_audit(audit_entry)
  if audit_entry ~= '' then append_record(K.audit, 'MAXLEN', '~', AUDIT_MAX, '*', 'd', audit_entry) end
end
