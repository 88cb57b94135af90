-- A batch that keeps killing its workers becomes entries of one body each, so that only the poison is lost to it.
-- ARGV: entry id, single-body batches ...
-- Returns 0 where somebody else committed or split it before.
refuse_if_full()
if redis.call('XACK', K.stream, K.group, ARGV[1]) == 0 then return 0 end
redis.call('XDEL', K.stream, ARGV[1])
for i = 2, #ARGV do queue_batch(1, ARGV[i]) end
return #ARGV - 1
