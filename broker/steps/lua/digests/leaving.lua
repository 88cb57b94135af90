-- Part: windows whose events leave them, for jobs or for another partition. Windows and packs have the fields of
-- PlannedWindow and ReadPack in broker/steps/digest_windows.py (WINDOW, READ). A window without a group is open.

local function key_of(window, digest)
  local group = window[WINDOW_GROUP]
  return group == '' and open_key_of(digest) or P.digests_closing .. group
end

-- Returns whether windows and packs are as they were read.
local function are_unchanged(windows, packs, blobs)
  for i = 1, #windows do
    local digest = blobs[windows[i][WINDOW_DIGEST]]
    local stored = redis.call('HGET', key_of(windows[i], digest), digest)
    if stored ~= blobs[windows[i][WINDOW_TEXT]] then return false end
  end
  for i = 1, #packs do
    if version_of(packs[i][READ_ID]) ~= packs[i][READ_VERSION] then return false end
  end
  return true
end

-- Remove the events from their windows and packs. Windows without events go.
local function remove_events(windows, packs, blobs)
  for i = 1, #windows do
    local group, digest, rest = windows[i][WINDOW_GROUP], blobs[windows[i][WINDOW_DIGEST]], windows[i][WINDOW_REST]
    local key = key_of(windows[i], digest)
    if rest > 0 then
      redis.call('HSET', key, digest, blobs[rest])
    else
      redis.call('HDEL', key, digest)
      if group ~= '' and redis.call('EXISTS', key) == 0 then
        redis.call('ZREM', K.digests_ends, group)
        redis.call('DEL', P.digests_lease .. group)
      end
    end
  end
  for i = 1, #packs do
    local id, version = packs[i][READ_ID], packs[i][READ_VERSION]
    -- A pack that cannot be read is a dead letter now, so no other window may report it again.
    if packs[i][READ_IS_UNREADABLE] then
      redis.call('HSET', P.digests_events .. id, 'z', '', 'version', tonumber(version) + 1)
    end
    if version ~= '' then leave_pack(id, packs[i][READ_EVENTS]) end
  end
end
