-- Remove consumers that hold no entry and have been silent. (Removing one that holds entries would lose them, so
-- looking and removing are one step.)
-- ARGV: idle ms
if redis.call('EXISTS', K.stream) == 0 then return 0 end
local consumers, removed = redis.call('XINFO', 'CONSUMERS', K.stream, K.group), 0
for i = 1, #consumers do
  local row = {}
  for f = 1, #consumers[i], 2 do row[consumers[i][f]] = consumers[i][f + 1] end
  if row.pending == 0 and row.idle > tonumber(ARGV[1]) then
    redis.call('XGROUP', 'DELCONSUMER', K.stream, K.group, row.name)
    removed = removed + 1
  end
end
return removed
