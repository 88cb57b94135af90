-- A dead letter gets another body, and other terms. Its place, its notes and its mark stay.
-- ARGV[1] = dead letter (msgpack: see dead_letters.lua), ARGV[2] = the SHA-1 in hex of the letter as it was read, then its blobs
-- Returns 0 where it has gone or is another by now.
go_on_when_full()
local stored_letter = cmsgpack.unpack(ARGV[1])
local id = stored_letter[1]
if not is_as_read(id, ARGV[2]) then return 0 end
local at = redis.call('ZSCORE', K.dead_index, id)
local notes, marked = redis.call('GET', K.dead_notes .. id), redis.call('SISMEMBER', K.dead_to_retry, id)
remove_dead_letter(id)
add_dead_letter(stored_letter, at)
if notes then redis.call('SET', K.dead_notes .. id, notes) end
if marked == 1 then redis.call('SADD', K.dead_to_retry, id) end
return 1
