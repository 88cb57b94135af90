-- The next dead letters below a place, newest first.
-- ARGV: at ms, id, how many, then ids of dimensions: those letters only; none: all letters
-- Of many kinds each is read in short pieces, and only those whose newest are new enough to be on the page.
local at, below, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
local kinds = {}
for i = 4, #ARGV do
  local key = K.dead_by .. ARGV[i]
  local top = redis.call('ZREVRANGEBYSCORE', key, at, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)
  if top[1] then kinds[#kinds + 1] = { key = key, at = tonumber(top[2]) } end
end
table.sort(kinds, function(a, b) return a.at > b.at end)
if #ARGV == 3 then kinds = { { key = K.dead_index, at = tonumber(at) } } end
local piece = #kinds == 1 and most or 16

-- How many of a kind stand above the place: those that died later, and of the same moment those of a higher id.
local function above(key)
  local first, last = redis.call('ZCOUNT', key, '(' .. at, '+inf'), redis.call('ZCOUNT', key, at, '+inf')
  while first < last do
    local middle = math.floor((first + last) / 2)
    if redis.call('ZREVRANGE', key, middle, middle)[1] < below then last = middle else first = middle + 1 end
  end
  return first
end

-- Have a kind tell its next letter; false where there is none.
local function goes_on(kind)
  if not kind.rows or kind.row + 1 > #kind.rows then
    kind.rows = redis.call('ZREVRANGE', kind.key, kind.rank, kind.rank + piece - 1, 'WITHSCORES')
    kind.row, kind.rank = 1, kind.rank + piece
  end
  kind.id, kind.at, kind.row = kind.rows[kind.row], tonumber(kind.rows[kind.row + 1]), kind.row + 2
  return kind.id
end

-- Those that are being read, the one with the newest letter last.
local open = {}
local function put_back(kind)
  if not goes_on(kind) then return end
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
  while kinds[next_kind] and (#open == 0 or kinds[next_kind].at >= open[#open].at) do
    kinds[next_kind].rank = above(kinds[next_kind].key)
    put_back(kinds[next_kind])
    next_kind = next_kind + 1
  end
  local newest = table.remove(open)
  if not newest then break end
  ids[#ids + 1] = newest.id
  put_back(newest)
end
return read_dead_letters(ids, false)
