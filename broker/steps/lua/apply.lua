-- Process the events of another partition's batches that are at home here. The batches stay where they are; the commit
-- there removes them afterwards.
-- Arguments: blobs (named below by their index), partitions (the number for which homes were computed), batches, packs
-- (of events that join digests), jobs, committed (batches whose markers are needed by a worker that still runs, but by
-- no later one), history (a row for each event, by batch; 0 for none). Their fields are those of the structs in
-- broker/steps/apply.py (BATCH), new_events.py (EVENT, SHARE, JOB) and digest_packs.py (PART, PACK).
-- Returns {processed, duplicate, waiting, retried_on_redelivery, digested, answers}; answers: for each batch a text with
-- a 1 for each event that was new, else 0.
-- Run twice: the marker `applied:{batch}` has a field for each event, by its place in the batch, and for each digest that
-- it joined. An event with a field is skipped, and has the same answer again.
drain_when_full()
local wrong = layout_error(partitions)
if wrong then return wrong end
local gone, answers = 0, {}

for b = 1, #batches do
  local batch = batches[b]
  local marker, events, places, parts = P.applied .. batch[BATCH_ID], batch[BATCH_EVENTS], batch[BATCH_PLACES],
    batch[BATCH_PARTS]
  local known, answer = redis.call('HMGET', marker, unpack(places)), {}
  for i = 1, #events do
    if known[i] then
      skip(events[i])
      answer[i] = known[i]
    else
      answer[i] = process(events[i]) and '1' or '0'
      redis.call('HSET', marker, places[i], answer[i])
      gone = gone + 1
    end
  end
  for i = 1, #parts do
    local event = parts[i][PART_EVENT]
    if answer[event] == '1' and joins(marker, places[event], parts[i]) then
      created = created + gather(parts[i], packs, blobs)
      gathered = gathered + 1
    end
  end
  redis.call('EXPIRE', marker, APPLIED_TTL_S)
  answers[b] = table.concat(answer)
end

for i = 1, #committed do redis.call('EXPIRE', P.applied .. committed[i], COMMITTED_TTL_S) end
store_packs(packs, blobs)
add_jobs(jobs, blobs)
record('ec', blobs[history], fates)
if created > 0 or retried_on_redelivery > 0 then wake_a_worker() end
count({
  processed = processed, duplicate = duplicate, queued = -gone, created = created, waiting = created,
  digested = gathered, retried_on_redelivery = retried_on_redelivery,
})
local waiting = tonumber(redis.call('HGET', K.stats_total, 'waiting'))
return { processed, duplicate, waiting, retried_on_redelivery, gathered, answers }
