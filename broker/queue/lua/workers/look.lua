-- Look whether the readers of this partition are behind.
-- No arguments.
-- Returns {for how many ms the oldest has been waiting of the batches that no worker has read, the jobs that are due, and
-- the jobs that are held although their channel takes jobs; ms since a worker last claimed jobs or sent a heartbeat}.
-- Only reads.

-- A batch is removed when it is committed. So what comes after the last one that was read and is still there, or else
-- the first of all, was not read.
local function oldest_unread_ms()
  local pending, _, last = unpack(redis.pcall('XPENDING', K.stream, GROUP))
  if not pending then return now end -- Redis has lost the group: its readers make it again
  local entry = unpack(redis.call('XRANGE', K.stream, last and '(' .. last or '-', '+', 'COUNT', 1))
  if not entry then return now end
  local id = unpack(entry)
  return tonumber(id:match('^%d+'))
end

local function first_ms(key)
  local _, at_ms = unpack(redis.call('ZRANGE', key, 0, 0, 'WITHSCORES'))
  return at_ms and tonumber(at_ms) or now
end

-- Workers hold the jobs of a slow channel when they run as many as they may. Another worker has room for some, unless
-- the channel's rate is what they wait for.
local function oldest_held_ms()
  local oldest_ms = now
  for _, channel in ipairs(redis.call('SMEMBERS', K.channels)) do
    local open_until_ms, paused_since_ms = unpack(redis.call('HMGET', P.channel .. channel, 'open_until_ms',
      'paused_since_ms'))
    if moment(open_until_ms) == 0 and not paused_since_ms and redis.call('EXISTS', P.rate .. channel) == 0 then
      oldest_ms = math.min(oldest_ms, first_ms(P.held_jobs .. channel))
    end
  end
  return oldest_ms
end

local oldest_ms = math.min(oldest_unread_ms(), first_ms(K.queue), oldest_held_ms())
local last_ms = tonumber(redis.call('HGET', K.claims, 'last_ms') or 0)
if last_ms > now then last_ms = 0 end -- no worker wrote it
return { math.max(0, now - oldest_ms), now - last_ms }
