-- Part: the windows of digests.
-- A window is a text: its channels (2 bytes), and for each event the pack that has it (PACK_ID_BYTES) and its place there
-- (1 byte, starts at 0). While it is open it is in `digests:open:{bucket}`, and the pack of its first event names its
-- group. The windows of a group end together, at the time that `digests:ends` has. Then they move to
-- `digests:closing:{group}`.
local EVENT_BYTES = PACK_ID_BYTES + 1

-- The key of an open window. Redis stores hashes of up to 128 small values in a third of the memory of larger ones, so
-- there are DIGEST_BUCKETS of them.
local function open_key_of(digest)
  local high, low = (digest .. '\0\0'):byte(1, 2)
  return P.digests_open .. (high * 256 + low) % DIGEST_BUCKETS
end

-- The name of the group of an open window.
local function group_of(window) return window:sub(3, 2 + PACK_ID_BYTES) end

-- Returns the digests and windows of a group that are open, one after the other.
local function open_windows_of(group)
  local ids, found, is_known = redis.call('HGET', P.digests_events .. group, 'digests') or '', {}, {}
  for first = 1, #ids, DIGEST_ID_BYTES do
    local digest = ids:sub(first, first + DIGEST_ID_BYTES - 1)
    local window = not is_known[digest] and redis.call('HGET', open_key_of(digest), digest)
    if window and group_of(window) == group then
      found[#found + 1] = digest
      found[#found + 1] = window
    end
    is_known[digest] = true
  end
  return found
end

-- The part of a window for the event at a place (starts at 1) of a pack.
local function event_of(pack, place) return pack .. string.char(place - 1) end

local function new_window(channels, events) return struct.pack('>I2', channels) .. events end

local function channels_of(window) return (struct.unpack('>I2', window .. '\0\0')) end

local function size_of(window) return (#window - 2) / EVENT_BYTES end

-- The version of a pack, which changes with its events; "" where the pack is gone.
local function version_of(pack)
  local version, events = unpack(redis.call('HMGET', P.digests_events .. pack, 'version', 'events'))
  return events and (version or '0') or ''
end

-- Note that events of a pack wait no more. The last one removes it.
local function leave_pack(pack, events)
  if redis.call('HINCRBY', P.digests_events .. pack, 'events', -events) <= 0 then
    redis.call('DEL', P.digests_events .. pack)
  end
end
