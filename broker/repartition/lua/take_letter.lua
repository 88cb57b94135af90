-- Take a dead letter out of this partition.
-- Arguments: layout (while data moves), letter (id), job (id, if its body is a job), counted (1 for the dead letter of one
-- notification that takes its counts with it; 0 where all counters of the partition move).
-- Returns 1, or 0 where the letter is not here, or -1 where data does not move any more.
-- Run twice: 0 the second time.
go_on_when_full()
if not is_moving(layout) then return -1 end
local dimensions, dictionary, _, packed, body = stored(letter)
if not dimensions then return 0 end
local dictionary_blob = dictionary ~= '' and redis.call('GET', P.dead_dict .. dictionary) or ''
local notes = redis.call('GET', K.dead_notes) or ''
local died_at = redis.call('ZSCORE', K.dead_index, letter) or tostring(now)
local to_retry = tostring(redis.call('SISMEMBER', K.dead_to_retry, letter))
local done = job ~= '' and table.concat(redis.call('SMEMBERS', K.done), ',') or ''
redis.call('HSET', K.repartition_out, 'letter:' .. letter,
  cmsgpack.pack({ died_at, packed, dictionary, dictionary_blob, notes, body, to_retry, done, tostring(counted) }))
remove_dead_letter(letter)
if job ~= '' then redis.call('DEL', K.done) end
redis.call('HINCRBY', K.stats_total, 'created', -counted)
redis.call('HINCRBY', K.stats_total, 'dead', -counted)
return 1
