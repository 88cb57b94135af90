-- Check whether a namespace belongs to another installation, and if not, make it this one's.
-- Arguments: mode ("": claim; "accept": claim even if another installation has it; "look": change nothing), sources (of
-- {name, kind, hashes of its secrets, each with a comma after it}), partitions (the number that this installation wants).
-- Returns {the sources that speak against it, the layout}. There are no such sources where the namespace is, or with
-- "look" may become, this installation's. The first installation sets the layout to the number that it wants. One that
-- was there before layouts were stored has one partition.
-- Sources and secrets may come and go, as a change of config does, as long as one source stays the same.
-- Run twice: nothing changes the second time.
go_on_when_full()
local claimed, is_shared, against = {}, false, {}
local fields = redis.call('HGETALL', K.installation)
for name, packed in each_pair(fields) do
  local is_read, row = pcall(cmsgpack.unpack, packed)
  if is_read and type(row) == 'table' then -- else another program wrote it
    local kind, secrets = unpack(row)
    if type(secrets) == 'string' then claimed[name] = { kind = kind, secrets = secrets } end
  end
end
local layout = redis.call('GET', K.layout) or (#fields > 0 and '1' or partitions)

local function has_common(these, those)
  if these == '' or those == '' then return true end -- a process that does not verify webhooks has no secrets
  for hash in these:gmatch('[^,]+') do
    if (',' .. those):find(',' .. hash .. ',', 1, true) then return true end
  end
  return false
end

local mine = {}
for i = 1, #sources do
  local name, kind, secrets = unpack(sources[i])
  local before = claimed[name]
  if before then
    if before.kind == kind and has_common(secrets, before.secrets) then
      is_shared = true
    else
      against[#against + 1] = name
    end
    if secrets == '' then secrets = before.secrets end
  end
  mine[#mine + 1] = name
  mine[#mine + 1] = cmsgpack.pack({ kind, secrets })
end
if mode ~= 'accept' and #fields > 0 then
  if #against > 0 then return { against, layout } end
  if not is_shared and next(claimed) then
    for name in pairs(claimed) do against[#against + 1] = name end
    return { against, layout }
  end
end
if mode == 'look' then return { {}, layout } end
redis.call('DEL', K.installation)
if #mine > 0 then redis.call('HSET', K.installation, unpack(mine)) end
redis.call('SET', K.layout, layout)
return { {}, layout }
