-- The next dead letters below a place, newest first.
-- ARGV: at ms, id, how many, then ids of facets: those letters only; none: all letters
local at, below, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
local keys = {}
for i = 4, #ARGV do
  local key = K.dead_by .. ARGV[i]
  local top = redis.call('ZREVRANGEBYSCORE', key, at, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)
  if top[1] then keys[#keys + 1] = { key, tonumber(top[2]) } end
end
-- The page lies in those whose newest are the newest: each brings at least one. Of a moment's all are looked at.
table.sort(keys, function(a, b) return a[2] > b[2] end)
if #ARGV == 3 then keys = { { K.dead_index, 0 } } end

local found, taken, last = {}, 0, nil
for i = 1, #keys do
  local key, top = keys[i][1], keys[i][2]
  if taken >= most and top < last then break end
  if top < tonumber(at) then taken, last = taken + 1, top end
  local together = redis.call('ZREVRANGEBYSCORE', key, at, at)
  for j = 1, #together do
    if together[j] < below then found[#found + 1] = { together[j], tonumber(at) } end
  end
  local before = redis.call('ZREVRANGEBYSCORE', key, '(' .. at, '-inf', 'WITHSCORES', 'LIMIT', 0, most)
  for j = 1, #before, 2 do found[#found + 1] = { before[j], tonumber(before[j + 1]) } end
end
table.sort(found, function(a, b)
  if a[2] ~= b[2] then return a[2] > b[2] end
  return a[1] > b[1]
end)
local ids = {}
for i = 1, math.min(most, #found) do ids[i] = found[i][1] end
return exhumed(ids, false)
