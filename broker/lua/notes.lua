-- Add a note to a letter; false where it is there already.
local function noted(id, note, most)
  local packed = redis.call('GET', K.dead_notes .. id)
  local is_read, notes = pcall(cmsgpack.unpack, packed or '')
  if not is_read or type(notes) ~= 'table' then notes = {} end
  for i = #notes, 1, -1 do
    if type(notes[i]) ~= 'table' then table.remove(notes, i) end
  end
  for i = 1, #notes do
    if notes[i][1] == note[1] and notes[i][2] == note[2] and notes[i][3] == note[3] then return false end
  end
  notes[#notes + 1] = note
  if #notes > most then table.remove(notes, 1) end
  redis.call('SET', K.dead_notes .. id, cmsgpack.pack(notes))
  return true
end
