-- Part: windows that no event joins any more, which are made of events that waited somewhere else. Packs have the fields
-- of PlannedPack in broker/steps/digest_packs.py (PACK).

-- Add the events of a pack to a window of a group. The window is not due before `digests:ends` has the group.
local function add_to_closing(group, digest, channels, pack, blobs)
  local closing, id = P.digests_closing .. group, pack[PACK_ID]
  local window = redis.call('HGET', closing, digest) or new_window(channels, '')
  for place = 1, pack[PACK_EVENTS] do window = window .. event_of(id, place) end
  redis.call('HSET', P.digests_events .. id, 'z', blobs[pack[PACK_BLOB]], 'events', pack[PACK_EVENTS])
  redis.call('HSET', closing, digest, window)
end
