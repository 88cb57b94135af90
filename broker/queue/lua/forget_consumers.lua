-- Remove consumers that hold no entry and have been idle for longer than idle_ms. One script both checks and removes,
-- because removing a consumer that holds entries would lose these.
-- Arguments: idle_ms.
-- Returns how many were removed.
-- Run twice: nothing more changes.
if redis.call('EXISTS', K.stream) == 0 then return 0 end
local consumers, removed = redis.call('XINFO', 'CONSUMERS', K.stream, GROUP), 0
for i = 1, #consumers do
  local consumer = {}
  for field, value in each_pair(consumers[i]) do consumer[field] = value end
  if consumer.pending == 0 and consumer.idle > idle_ms then
    redis.call('XGROUP', 'DELCONSUMER', K.stream, GROUP, consumer.name)
    removed = removed + 1
  end
end
return removed
