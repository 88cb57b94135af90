-- Add a person's note to dead letters.
-- Arguments: ids, most_notes (of a letter), audit_entry (msgpack; "" for none), note ({ms, who, text}).
-- Returns how many of the letters exist.
-- Run twice: each letter has the note once, and there is one audit entry.
local there, added = 0, 0
for i = 1, #ids do
  if redis.call('EXISTS', P.dead .. ids[i]) == 1 then
    if add_note(ids[i], note, most_notes) then added = added + 1 end
    there = there + 1
  end
end
if added > 0 then append_audit(audit_entry) end
return there
