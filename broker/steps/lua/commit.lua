-- Record what became of the entries that one worker read: everything or nothing.
-- Arguments: blobs (named below by their index), partitions (the number for which homes were computed), entries, packs
-- (of events that join digests), jobs, history (a row for each event and each letter, by entry; 0 for none).
-- Their fields are those of the structs in broker/steps/commit.py (ENTRY, HELD), new_events.py (EVENT, SHARE, JOB),
-- digest_packs.py (PART, PACK), broker/queue/dedupe.py (MARK) and broker/dead_letters/packing.py (LETTER). An entry has
-- only the events that are at home in this partition; those of other homes were applied there before, or are held until
-- their home answers.
-- Returns {processed, duplicate, dead_at_intake, waiting, retried_on_redelivery, digested, acknowledged}; `waiting` is
-- the counter's value now, `acknowledged` the number of entries that this run removed.
-- Run twice: an entry that is not pending any more was committed before, perhaps by another worker, and is skipped. An
-- event that was seen before, and of which a notification is a dead letter, makes that dead letter be retried instead
-- of counting as a duplicate.
drain_when_full()
local wrong = layout_error(partitions)
if wrong then return wrong end
local dead_at_intake, gone, died, acknowledged = 0, 0, 0, 0

for e = 1, #entries do
  local entry = entries[e]
  local id, events, letters, parts = entry[ENTRY_ID], entry[ENTRY_EVENTS], entry[ENTRY_LETTERS], entry[ENTRY_PARTS]
  if redis.call('XACK', K.stream, GROUP, id) == 1 then
    local is_new = {}
    redis.call('XDEL', K.stream, id)
    gone, acknowledged = gone + entry[ENTRY_BODIES], acknowledged + 1
    for i = 1, #events do is_new[i] = process(events[i]) end
    for i = 1, #parts do
      if is_new[parts[i][PART_EVENT]] then
        created = created + gather(parts[i], packs, blobs)
        gathered = gathered + 1
      end
    end
    for i = 1, #letters do
      died = died + add_dead_letter(letters[i], blobs)
      dead_at_intake = dead_at_intake + letters[i][LETTER_BODIES]
      fates[#fates + 1] = 'n'
    end
    local held = entry[ENTRY_HELD]
    for i = 1, #held do redis.call('RPUSH', P.held_bodies .. held[i][HELD_HOME], blobs[held[i][HELD_BLOB]]) end
  else
    for i = 1, #events do skip(events[i]) end
    for _ = 1, #letters do fates[#fates + 1] = '-' end
  end
end

store_packs(packs, blobs)
add_jobs(jobs, blobs)
record('ec', blobs[history], fates)
count({
  processed = processed, duplicate = duplicate, dead_at_intake = dead_at_intake, queued = -gone,
  created = created, waiting = created, digested = gathered, retried_on_redelivery = retried_on_redelivery,
  died = died,
})
local waiting = tonumber(redis.call('HGET', K.stats_total, 'waiting'))
return { processed, duplicate, dead_at_intake, waiting, retried_on_redelivery, gathered, acknowledged }
