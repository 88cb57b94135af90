-- Part: notes on dead letters.

-- Add a note, {ms, who, text}, and drop the oldest beyond `most`. Returns false where the letter has the same note.
local function add_note(id, note, most)
  local is_read, notes = pcall(cmsgpack.unpack, redis.call('GET', P.dead_notes .. id) or '')
  if not is_read or type(notes) ~= 'table' then notes = {} end
  for i = #notes, 1, -1 do
    if type(notes[i]) ~= 'table' then table.remove(notes, i) end
  end
  local at_ms, by, text = unpack(note)
  for i = 1, #notes do
    local other_at_ms, other_by, other_text = unpack(notes[i])
    if other_at_ms == at_ms and other_by == by and other_text == text then return false end
  end
  notes[#notes + 1] = note
  if #notes > most then table.remove(notes, 1) end
  redis.call('SET', P.dead_notes .. id, cmsgpack.pack(notes))
  return true
end
