-- Add up the counts by the minute, so that a plot of a day costs one answer of a few lines.
-- Arguments: points (spans, up to the current minute), minutes (of a span), kept (minutes for which counts are kept).
-- Returns {now in ms, {first minute, minutes, accepted, sent, duplicate, dead} of each span}. A span begins at a multiple
-- of its length. Minutes that are no longer kept are missing.
-- Only reads.
local newest = math.floor(now / 60000)
local first = math.max((math.floor(newest / minutes) - points + 1) * minutes, newest - kept)
local FIELDS = { 'accepted', 'sent', 'duplicate', 'dead_at_intake', 'dead' }

local function sum(from, to)
  local accepted, sent, duplicate, dead = 0, 0, 0, 0
  for minute = from, to do
    local more_accepted, more_sent, more_duplicate, at_intake, at_notify = unpack(redis.call('HMGET',
      P.stats_minute .. minute, unpack(FIELDS)))
    accepted = accepted + (tonumber(more_accepted or 0) or 0)
    sent = sent + (tonumber(more_sent or 0) or 0)
    duplicate = duplicate + (tonumber(more_duplicate or 0) or 0)
    dead = dead + math.max(0, tonumber(at_intake or 0) or 0) + math.max(0, tonumber(at_notify or 0) or 0)
  end
  return { math.floor(from / minutes) * minutes, to - from + 1, accepted, sent, duplicate, dead }
end

local spans, from = {}, first
while from <= newest do
  local to = math.min(newest, (math.floor(from / minutes) + 1) * minutes - 1)
  spans[#spans + 1] = sum(from, to)
  from = to + 1
end
return { now, spans }
