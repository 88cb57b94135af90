-- Take a window of a digest out of this partition, with the notifications that it counts for. From then on no worker
-- closes it.
-- Arguments: blobs (named below by their index), layout (while data moves), name (of the window in `repartition:out`),
-- windows (this one), packs (those of its events), events (each packed by itself), letters (dead letters, one for each
-- pack that cannot be read), changes (of counters). Their fields: see broker/steps/digest_windows.py (WINDOW, READ) and
-- broker/dead_letters/packing.py (LETTER).
-- Returns 1, or 0 where the window or a pack has changed, or -1 where data does not move any more.
-- Run twice: 0 the second time.
drain_when_full()
if not is_moving(layout) then return -1 end
if not are_unchanged(windows, packs, blobs) or redis.call('EXISTS', K.repartition_digest) == 1 then return 0 end
local window = unpack(windows)
local text, group = blobs[window[WINDOW_TEXT]], window[WINDOW_GROUP]
local ends_ms = redis.call('ZSCORE', K.digests_ends, group == '' and group_of(text) or group) or tostring(now)
for i = 1, #events do redis.call('RPUSH', K.repartition_digest, blobs[events[i]]) end
if #events > 0 then
  redis.call('HSET', K.repartition_out, 'digest:' .. name, cmsgpack.pack({ ends_ms, tostring(channels_of(text)) }))
end
changes.died = 0
for i = 1, #letters do changes.died = changes.died + add_dead_letter(letters[i], blobs) end
remove_events(windows, packs, blobs)
count(changes)
return 1
