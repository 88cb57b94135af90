-- Turn windows into jobs.
-- Arguments: blobs (named below by their index), windows, packs (those of their events), jobs, letters (dead letters, one
-- for each pack that cannot be read), history (a row for each digest; 0 for none), rows (how many), changes (of counters).
-- Their fields: see broker/steps/digest_windows.py (WINDOW, READ), new_events.py (JOB) and
-- broker/dead_letters/packing.py (LETTER).
-- Returns 1, or 0 where a window or a pack has changed: another worker closed it, or an event was removed.
-- Run twice: 0 the second time.
drain_when_full()
if not are_unchanged(windows, packs, blobs) then return 0 end
for i = 1, #jobs do enqueue(jobs[i][JOB_ID], blobs[jobs[i][JOB_BLOB]], 0) end
changes.died = 0
for i = 1, #letters do changes.died = changes.died + add_dead_letter(letters[i], blobs) end
record('ec', blobs[history], { string.rep('n', rows) })
remove_events(windows, packs, blobs)
count(changes)
return 1
