-- Part: adding events to the windows of digests. Parts and packs have the fields of PlannedPart and PlannedPack in
-- broker/steps/digest_packs.py (PART, PACK).

-- Mark that an event of a batch joins a digest. Returns false where it has joined it before, perhaps in another
-- partition, from which the marker was copied when the number of partitions changed. One event can join several digests.
local function joins(marker, place, part)
  return redis.call('HSETNX', marker, 'digest:' .. place .. ':' .. part[PART_NUMBER], '1') == 1
end

-- By number of the pack: how many of its events were added. By its id: whether one of them opened a window.
local events_added, opened_windows = {}, {}

-- Add an event to a digest. The first event opens the digest's window and counts for as many notifications as the
-- digest has channels. A full window is closed by itself. Returns how many notifications were created.
local function gather(part, packs, blobs)
  local number, place = part[PART_PACK], part[PART_PLACE]
  local pack, last = packs[number][PACK_ID], place * DIGEST_ID_BYTES
  local digest = blobs[packs[number][PACK_DIGESTS]]:sub(last - DIGEST_ID_BYTES + 1, last)
  local open_key, created = open_key_of(digest), 0
  local window = redis.call('HGET', open_key, digest)
  events_added[number] = (events_added[number] or 0) + 1
  if window and (opened_windows[group_of(window)] or redis.call('ZSCORE', K.digests_ends, group_of(window))) then
    window = window .. event_of(pack, place)
  else
    -- Where another program removed the group of a window, its events go on to a new one.
    opened_windows[pack] = true
    created = window and 0 or part[PART_CHANNELS]
    window = new_window(part[PART_CHANNELS], event_of(pack, place) .. (window and window:sub(3) or ''))
  end
  if size_of(window) < DIGEST_MAX then
    redis.call('HSET', open_key, digest, window)
  else
    local group = pack .. '.' .. place
    redis.call('HDEL', open_key, digest)
    redis.call('HSET', P.digests_closing .. group, digest, window)
    redis.call('ZADD', K.digests_ends, now, group)
  end
  return created
end

-- Store the packs whose events were added. Called once, after all of them.
local function store_packs(packs, blobs)
  for number, count in pairs(events_added) do
    local pack, events = packs[number], P.digests_events .. packs[number][PACK_ID]
    redis.call('HSET', events, 'z', blobs[pack[PACK_BLOB]], 'digests', blobs[pack[PACK_DIGESTS]], 'events', count)
    if opened_windows[pack[PACK_ID]] then
      redis.call('ZADD', K.digests_ends, now + pack[PACK_WINDOW_MS], pack[PACK_ID])
    end
  end
end
