-- Give a dead letter another body and other search terms. Its time, its notes and its mark for a retry stay.
-- Arguments: blobs (named in the letter by their index), id, sha1 (in hex, of the letter as it was read), letter
-- (LETTER in broker/dead_letters/packing.py).
-- Returns 1, or 0 where the letter is gone or has changed.
-- Run twice: 0 the second time.
go_on_when_full()
if not is_as_read(id, sha1) then return 0 end
local died_at = redis.call('ZSCORE', K.dead_index, id)
local notes, is_marked = redis.call('GET', K.dead_notes), redis.call('SISMEMBER', K.dead_to_retry, id) == 1
remove_dead_letter(id)
add_dead_letter(letter, blobs, died_at)
if notes then redis.call('SET', K.dead_notes, notes) end
if is_marked then redis.call('SADD', K.dead_to_retry, id) end
return 1
