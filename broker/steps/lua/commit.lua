-- Record what became of the entries that one worker read: everything or nothing.
-- Arguments: blobs (named below by their index), entries, jobs. Their fields are those of the structs in
-- broker/steps/commit.py (ENTRY, EVENT, SHARE, PART, JOB), broker/queue/dedupe.py (MARK) and
-- broker/dead_letters/packing.py (LETTER).
-- Returns {processed, duplicate, dead_at_intake, waiting, retried_on_redelivery, digested}; `waiting` is the counter's
-- value now.
-- Run twice: an entry that is not pending any more was committed before, perhaps by another worker, and is skipped. An
-- event that was seen before, and of which a notification is a dead letter, makes that dead letter be retried instead
-- of counting as a duplicate.
drain_when_full()
local processed, duplicate, dead_at_intake, created, gone = 0, 0, 0, 0, 0
local gathered, retried_on_redelivery, died = 0, 0, 0
-- By number of the job: whether it has a new event, and the indices that are settled from the start.
local live, settled = {}, {}
local has_dead = redis.call('EXISTS', K.dead_index) == 1

-- A set lives until the end of the period in which it was last used, and a window more. Nothing shortens that: neither
-- an event with a time in the future, nor a late one, nor a clock that is set back. (These two commands fit any type.)
local function keep_set(key, mark)
  local ends = (math.floor(now / mark[MARK_PERIOD_MS]) + 1) * mark[MARK_PERIOD_MS] + mark[MARK_WINDOW_MS]
  if driver.call('PTTL', key) < ends - now then driver.call('PEXPIREAT', key, string.format('%.0f', ends)) end
end

-- Remember an identity. Returns whether it was seen before. An event without a time of its own may be in the set of any
-- period of its window, and in that of the next period where the clock of Redis was set back.
local function was_seen(mark)
  local key, member = prefix .. mark[MARK_KEY], mark[MARK_MEMBER]
  if not mark[MARK_IS_DATED] then
    local period = math.floor(now / mark[MARK_PERIOD_MS])
    for n = period + 1, period - math.ceil(mark[MARK_WINDOW_MS] / mark[MARK_PERIOD_MS]), -1 do
      local other = key:format(n)
      if n ~= period and redis.call('SISMEMBER', other, member) == 1 then
        keep_set(other, mark)
        return true
      end
    end
    key = key:format(period)
  end
  local is_new = redis.call('SADD', key, member) == 1
  keep_set(key, mark)
  return not is_new
end

-- Mark dead letters of an identity to be retried. Returns whether there are any.
local function marks_dead_for_retry(member)
  local dead = ids_with('seen:' .. member, '', 100)
  for i = 1, #dead do redis.call('SADD', K.dead_to_retry, dead[i]) end
  return #dead > 0
end

-- The notifications of an event that is not new are settled before their job starts.
local function skip(event)
  local shares = event[EVENT_SHARES]
  for s = 1, #shares do
    local share = shares[s]
    local done = settled[share[SHARE_JOB]]
    if not done then
      done = {}
      settled[share[SHARE_JOB]] = done
    end
    local first = share[SHARE_FIRST]
    for index = first, first + share[SHARE_COUNT] - 1 do done[#done + 1] = index end
  end
end

-- Returns whether the event is new.
local function process(event)
  local mark = event[EVENT_MARK]
  if was_seen(mark) then
    if has_dead and marks_dead_for_retry(mark[MARK_MEMBER]) then
      processed, retried_on_redelivery = processed + 1, retried_on_redelivery + 1
    else
      duplicate = duplicate + 1
    end
    skip(event)
    return false
  end
  processed = processed + 1
  local shares = event[EVENT_SHARES]
  for s = 1, #shares do
    local share = shares[s]
    created = created + share[SHARE_COUNT]
    live[share[SHARE_JOB]] = true
  end
  return true
end

-- Add an event to a digest. The first event opens the digest's window and counts for as many notifications as the
-- digest has channels. The window of a full digest ends now.
local function gather(part)
  local digest, channels = part[PART_DIGEST], part[PART_CHANNELS]
  local length = redis.call('RPUSH', P.digest .. digest, blobs[part[PART_BLOB]])
  if redis.call('HSETNX', K.digests_counted, digest, channels) == 1 then created = created + channels end
  redis.call('ZADD', K.digests, 'NX', now + part[PART_WINDOW_MS], digest)
  if length >= DIGEST_MAX then
    redis.call('ZADD', K.digests, 'XX', now, digest)
  end
  gathered = gathered + 1
end

for e = 1, #entries do
  local entry = entries[e]
  local id, events, letters, parts = entry[ENTRY_ID], entry[ENTRY_EVENTS], entry[ENTRY_LETTERS], entry[ENTRY_PARTS]
  if redis.call('XACK', K.stream, GROUP, id) == 1 then
    local is_new = {}
    redis.call('XDEL', K.stream, id)
    gone = gone + entry[ENTRY_BODIES]
    for i = 1, #events do is_new[i] = process(events[i]) end
    for i = 1, #parts do
      if is_new[parts[i][PART_EVENT]] then gather(parts[i]) end
    end
    for i = 1, #letters do
      died = died + add_dead_letter(letters[i], blobs)
      dead_at_intake = dead_at_intake + letters[i][LETTER_BODIES]
    end
  else
    for i = 1, #events do skip(events[i]) end
  end
end

for number = 1, #jobs do
  if live[number] then
    local job = jobs[number][JOB_ID]
    enqueue(job, blobs[jobs[number][JOB_BLOB]], 0)
    if settled[number] then redis.call('SADD', P.done .. job, unpack(settled[number])) end
  end
end

count({
  processed = processed, duplicate = duplicate, dead_at_intake = dead_at_intake, queued = -gone,
  created = created, waiting = created, digested = gathered, retried_on_redelivery = retried_on_redelivery,
  died = died,
})
local waiting = tonumber(redis.call('HGET', K.stats_total, 'waiting'))
return { processed, duplicate, dead_at_intake, waiting, retried_on_redelivery, gathered }
