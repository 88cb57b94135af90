-- Record what became of the entries that one worker read: everything or nothing.
-- Arguments: blobs (named below by their index), partitions (the number for which homes were computed), entries, packs
-- (of events that join digests), jobs, history (a row for each event and each letter, by entry; 0 for none).
-- Their fields are those of the structs in broker/steps/commit.py (ENTRY, HELD), new_events.py (EVENT, SHARE, JOB),
-- digest_packs.py (PART, PACK), broker/queue/dedupe.py (MARK) and broker/dead_letters/packing.py (LETTER). An entry has
-- only the events that are at home in this partition; those of other homes were applied there before, or are held until
-- their home answers. The worker that commits may start some of the new jobs at once: owner (of their leases), lease_ms,
-- most (jobs; 0 for none), starts_kept_s: see broker/queue/lua/claim.lua.
-- Returns {processed, duplicate, dead_at_intake, waiting, retried_on_redelivery, digested, acknowledged}, the jobs that
-- the worker starts ({number, indices that are settled from the start}), how many other jobs are new, and the number of
-- channels that have any state; `waiting` is the counter's value now, `acknowledged` the number of entries that this run
-- removed.
-- Run twice: an entry that is not pending any more was committed before, perhaps by another worker, and is skipped. An
-- event that was seen before, and of which a notification is a dead letter, makes that dead letter be retried instead
-- of counting as a duplicate. Jobs that the first run started wait until their leases end.
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
if most > 0 and next_due_ms(K.queue) == 0 then most = 0 end -- jobs that are due already go first
local created_jobs = add_jobs(jobs, blobs)
local started = {}
for i = 1, math.min(#created_jobs, most) do
  local number = created_jobs[i]
  local job = jobs[number][JOB_ID]
  redis.call('SET', P.in_progress .. job, owner, 'PX', lease_ms)
  redis.call('ZADD', K.queue, 'XX', now + lease_ms, job)
  redis.call('SET', P.retry .. job, 1, 'EX', starts_kept_s)
  started[i] = { number, settled[number] or {} }
end
record('ec', blobs[history], fates)
count({
  processed = processed, duplicate = duplicate, dead_at_intake = dead_at_intake, queued = -gone,
  created = created, waiting = created, digested = gathered, retried_on_redelivery = retried_on_redelivery,
  died = died,
})
local waiting = tonumber(redis.call('HGET', K.stats_total, 'waiting'))
local counts = { processed, duplicate, dead_at_intake, waiting, retried_on_redelivery, gathered, acknowledged }
return { counts, started, #created_jobs - #started, redis.call('SCARD', K.channels) }
