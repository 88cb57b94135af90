-- Count the notifications that really wait, by what they wait for: those in jobs that are due, put off, running or held,
-- and those in digests.
-- Arguments: most_jobs, most_digests (beyond either, nothing is counted, since that would block Redis for too long).
-- Returns {fields and values of the counters, 1 where there are too many to count, queued, retry, quiet hours, rate limit,
-- channel paused, circuit breaker open, digest, retries that are overdue, ms until the next retry or nil}.
-- Only reads.
local queued, channels = redis.call('ZRANGE', K.queue, 0, most_jobs, 'WITHSCORES'), redis.call('SMEMBERS', K.channels)
local held, jobs = {}, #queued / 2
for i, channel in ipairs(channels) do
  if jobs > most_jobs then break end
  held[i] = redis.call('ZRANGE', P.held_jobs .. channel, 0, most_jobs)
  jobs = jobs + #held[i]
end
local groups, old = redis.call('ZRANGE', K.digests_ends, 0, most_digests), redis.call('ZRANGE', K.digests, 0, most_digests)
local windows, channels_in_windows = 0, 0

-- A window begins with the number of its channels: see broker/steps/lua/digests/windows.lua.
local function add_windows(key)
  if windows > most_digests then return end
  local found = redis.call('HVALS', key)
  windows = windows + #found
  for i = 1, #found do channels_in_windows = channels_in_windows + struct.unpack('>I2', found[i] .. '\0\0') end
end

for bucket = 0, #groups > 0 and DIGEST_BUCKETS - 1 or -1 do add_windows(P.digests_open .. bucket) end
for i = 1, #groups do add_windows(P.digests_closing .. groups[i]) end
local too_many = jobs > most_jobs or windows + #old > most_digests or #groups > most_digests
-- By the mark in the id of the job (broker/queue/waiting/cause.py); `p`, `o` and `d` for the three other causes.
local waiting = { [''] = 0, r = 0, q = 0, l = 0, p = 0, o = 0, d = 0 }
local overdue, next_ms = 0, false

-- Returns how many notifications of a job are not settled, and its mark. A job that is running waits for nothing any more.
local function open_of(job)
  if redis.call('EXISTS', P.job .. job) == 0 then return 0, '' end
  local mark, size = job:match('^[^.]*%.?(%a?)%.(%d+)$')
  local open = tonumber(size or 0) - redis.call('SCARD', P.done .. job)
  if not waiting[mark] or mark ~= '' and redis.call('EXISTS', P.in_progress .. job) == 1 then mark = '' end
  return open, mark
end

local function hold_mark(channel)
  local open_until_ms, paused_since_ms = unpack(redis.call('HMGET', P.channel .. channel, 'open_until_ms',
    'paused_since_ms'))
  return paused_since_ms and 'p' or moment(open_until_ms) > 0 and 'o' or 'l'
end

if not too_many then
  for job, score in each_pair(queued) do
    local open, mark = open_of(job)
    local in_ms = tonumber(score) - now
    waiting[mark] = waiting[mark] + open
    if mark == 'r' and in_ms <= 0 then overdue = overdue + open end
    if mark == 'r' and in_ms > 0 and (not next_ms or in_ms < next_ms) then next_ms = in_ms end
  end
  for i, channel in ipairs(channels) do
    local mark = hold_mark(channel)
    for _, job in ipairs(held[i]) do waiting[mark] = waiting[mark] + (open_of(job)) end
  end
  waiting.d = channels_in_windows
  for _, digest in ipairs(old) do
    if redis.call('LLEN', P.digest .. digest) > 0 then
      waiting.d = waiting.d + tonumber(redis.call('HGET', K.digests_counted, digest))
    end
  end
end
return { redis.call('HGETALL', K.stats_total), too_many and 1 or 0, waiting[''], waiting.r, waiting.q, waiting.l,
  waiting.p, waiting.o, waiting.d, overdue, next_ms }
