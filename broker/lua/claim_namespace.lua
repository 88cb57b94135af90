-- An installation starts: does the namespace belong to one with other sources?
-- ARGV: "", "accept" to take it over whatever it was, or "look" to change nothing, then source, kind, hashes of its secrets (each with a comma) ...
-- Returns the sources that stand against it: {} where it may start, and then the namespace is its own. Sources may come
-- and go as long as one stays, and so may secrets: that is what a change of the config looks like.
go_on_when_full()
local known, shared, against = {}, false, {}
local rows = redis.call('HGETALL', K.installation)
for i = 1, #rows, 2 do
  local is_read, row = pcall(cmsgpack.unpack, rows[i + 1])
  if is_read and type(row) == 'table' and type(row[2]) == 'string' then known[rows[i]] = row end -- else of another hand
end

local function has_common(these, those)
  if these == '' or those == '' then return true end -- a process that needs no secrets has none
  for hash in these:gmatch('[^,]+') do
    if (',' .. those):find(',' .. hash .. ',', 1, true) then return true end
  end
  return false
end

local mine = {}
for i = 2, #ARGV, 3 do
  local name, kind, secrets = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local before = known[name]
  if before then
    if before[1] == kind and has_common(secrets, before[2]) then shared = true else against[#against + 1] = name end
    if secrets == '' then secrets = before[2] end
  end
  mine[#mine + 1] = name
  mine[#mine + 1] = cmsgpack.pack({ kind, secrets })
end
if ARGV[1] ~= 'accept' and #rows > 0 then
  if #against > 0 then return against end
  if not shared and next(known) then
    for name in pairs(known) do against[#against + 1] = name end
    return against
  end
end
if ARGV[1] == 'look' then return {} end
redis.call('DEL', K.installation)
if #mine > 0 then redis.call('HSET', K.installation, unpack(mine)) end
return {}
