-- Part: adding events to digests. Parts have the fields of PlannedPart in broker/steps/new_events.py (PART).

-- Mark that an event of a batch joins a digest. Returns false where it has joined it before, perhaps in another
-- partition, from which the marker was copied when the number of partitions changed. One event can join several digests.
local function joins(marker, place, part)
  return redis.call('HSETNX', marker, 'digest:' .. place .. ':' .. part[PART_NUMBER], '1') == 1
end

-- Add an event to a digest. The first event opens the digest's window and counts for as many notifications as the
-- digest has channels. The window of a full digest ends now. Returns how many notifications were created.
local function gather(part, blobs)
  local digest, channels = part[PART_DIGEST], part[PART_CHANNELS]
  local length = redis.call('RPUSH', P.digest .. digest, blobs[part[PART_BLOB]])
  local is_first = redis.call('HSETNX', K.digests_counted, digest, channels) == 1
  redis.call('ZADD', K.digests, 'NX', now + part[PART_WINDOW_MS], digest)
  if length >= DIGEST_MAX then
    redis.call('ZADD', K.digests, 'XX', now, digest)
  end
  return is_first and channels or 0
end
