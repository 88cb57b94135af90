-- Add dead letters that come from another partition. They are no news there.
-- Arguments: blobs (named below by their index), layout (while data moves), rows (of {letter (LETTER in packing.py), ms
-- at which it died as text, index of its notes or 0, 1 where a redelivery wants it retried, job id or "", indices of the
-- job that are settled, 1 where its counts come with it}).
-- Returns how many were added, or -1 where data does not move any more.
-- Run twice: 0 the second time, also for a letter that was replayed in between.
drain_when_full()
if not is_moving(layout) then return -1 end
local added, counts = 0, 0
for i = 1, #rows do
  local letter, died_at, notes, to_retry, job, done, counted = unpack(rows[i])
  local id = letter[LETTER_ID]
  local is_first = redis.call('HSETNX', K.repartition_in, 'letter:' .. id, 1) == 1
  if is_first and add_dead_letter(letter, blobs, died_at) == 1 then
    if notes > 0 then redis.call('SET', P.dead_notes .. id, blobs[notes]) end
    if to_retry == 1 then redis.call('SADD', K.dead_to_retry, id) end
    if #done > 0 then redis.call('SADD', P.done .. job, unpack(done)) end
    added, counts = added + 1, counts + counted
  end
end
redis.call('HINCRBY', K.stats_total, 'created', counts)
redis.call('HINCRBY', K.stats_total, 'dead', counts)
return added
