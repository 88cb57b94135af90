-- Part: what a commit does with the events of bodies, in the partition where they are at home. Events and shares
-- have the fields of the structs in broker/steps/new_events.py (EVENT, SHARE, JOB) and broker/queue/dedupe.py
-- (MARK).
local processed, duplicate, created, gathered, retried_on_redelivery = 0, 0, 0, 0, 0
-- What the history says of each event, in their order: see broker/history/records.py.
local fates = {}
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

-- The notifications of an event that is not new are settled before their job starts.
local function settle_from_start(event)
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

-- Skip an event that another run of the step has processed.
local function skip(event)
  settle_from_start(event)
  fates[#fates + 1] = '-'
end

-- Returns whether the event is new.
local function process(event)
  local mark = event[EVENT_MARK]
  if was_seen(mark) then
    if has_dead and mark_dead_for_retry(mark[MARK_MEMBER]) > 0 then
      processed, retried_on_redelivery = processed + 1, retried_on_redelivery + 1
      fates[#fates + 1] = 'r'
    else
      duplicate = duplicate + 1
      fates[#fates + 1] = 'd'
    end
    settle_from_start(event)
    return false
  end
  processed = processed + 1
  fates[#fates + 1] = 'n'
  local shares = event[EVENT_SHARES]
  for s = 1, #shares do
    local share = shares[s]
    created = created + share[SHARE_COUNT]
    live[share[SHARE_JOB]] = true
  end
  return true
end

-- Put the jobs that have a new event into the queue. Returns their numbers.
local function add_jobs(jobs, blobs)
  local added = {}
  for number = 1, #jobs do
    if live[number] then
      local job = jobs[number][JOB_ID]
      enqueue(job, blobs[jobs[number][JOB_BLOB]], 0)
      added[#added + 1] = number
      if settled[number] then redis.call('SADD', P.done .. job, unpack(settled[number])) end
    end
  end
  return added
end
