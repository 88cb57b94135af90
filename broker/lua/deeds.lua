-- Who did what: what every script begins with that a person is behind.

-- Write a deed (msgpack, "" for none) down in the step that does it: one that was done is never untold.
local function told(deed)
  if deed ~= '' then redis.call('XADD', K.audit, 'MAXLEN', '~', K.audit_max, '*', 'd', deed) end
end
