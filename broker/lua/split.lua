-- A batch becomes several: of one body each where it keeps killing its workers, so that only the poison is lost to
-- it, or one of what its worker understands and one of what it does not.
-- ARGV: entry id, "any age" where a person replayed what was stale, then bodies, batch ...
-- Returns 0 where somebody else committed or split it before.
drain_when_full()
if redis.call('XACK', K.stream, K.group, ARGV[1]) == 0 then return 0 end
redis.call('XDEL', K.stream, ARGV[1])
for i = 3, #ARGV, 2 do queue_batch(tonumber(ARGV[i]), ARGV[i + 1], ARGV[2] == 'any age') end
return 1
