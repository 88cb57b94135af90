-- Read the next dead letters below a place, newest first.
-- Arguments: kinds (ids of dimensions; letters of these alone), at_ms and below (time and id of the place), most
-- (letters), all (1: letters of all kinds).
-- Returns what read_letters of reading.lua returns.
-- Run twice: nothing changes. Of many kinds, each is read in short pieces, and only those whose newest letter is new
-- enough for the page.
local sorted = {}
for i = 1, #kinds do
  local key = P.dead_by .. kinds[i]
  local _, newest_ms = unpack(redis.call('ZREVRANGEBYSCORE', key, at_ms, '-inf', 'WITHSCORES', 'LIMIT', 0, 1))
  if newest_ms then sorted[#sorted + 1] = { key = key, at = tonumber(newest_ms) } end
end
table.sort(sorted, function(a, b) return a.at > b.at end)
if all == 1 then sorted = { { key = K.dead_index, at = tonumber(at_ms) } } end
local piece = #sorted == 1 and most or 16

-- Returns how many letters of a kind are above the place: those that died later, or in the same ms with a higher id.
local function above(key)
  local first, last = redis.call('ZCOUNT', key, '(' .. at_ms, '+inf'), redis.call('ZCOUNT', key, at_ms, '+inf')
  while first < last do
    local middle = math.floor((first + last) / 2)
    local id = unpack(redis.call('ZREVRANGE', key, middle, middle))
    if id < below then last = middle else first = middle + 1 end
  end
  return first
end

-- Move a kind to its next letter. Returns false at its end.
local function advance(kind)
  if not kind.rows or kind.row + 1 > #kind.rows then
    kind.rows = redis.call('ZREVRANGE', kind.key, kind.rank, kind.rank + piece - 1, 'WITHSCORES')
    kind.row, kind.rank = 1, kind.rank + piece
  end
  kind.id, kind.at, kind.row = kind.rows[kind.row], tonumber(kind.rows[kind.row + 1]), kind.row + 2
  return kind.id
end

-- The kinds that are being read; the one with the newest letter is last.
local open = {}
local function put_back(kind)
  if not advance(kind) then return end
  local first, last = 1, #open + 1
  while first < last do
    local middle = math.floor((first + last) / 2)
    local other = open[middle]
    if other.at < kind.at or other.at == kind.at and other.id < kind.id then first = middle + 1 else last = middle end
  end
  table.insert(open, first, kind)
end

local ids, next_kind = {}, 1
while #ids < most do
  while sorted[next_kind] and (#open == 0 or sorted[next_kind].at >= open[#open].at) do
    sorted[next_kind].rank = above(sorted[next_kind].key)
    put_back(sorted[next_kind])
    next_kind = next_kind + 1
  end
  local newest = table.remove(open)
  if not newest then break end
  ids[#ids + 1] = newest.id
  put_back(newest)
end
return read_letters(ids, false)
