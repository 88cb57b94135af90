-- Part: letters that a caller read and now changes.

-- Returns whether a letter is still what the caller read before it writes a new version. sha1: in hex, of the value
-- then.
local function is_as_read(id, sha1)
  local value = redis.call('GET', P.dead .. id)
  return value and redis.sha1hex(value) == sha1
end
