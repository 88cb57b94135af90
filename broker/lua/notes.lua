-- Add a note to a letter; false where it is the last one already.
local function noted(id, note, most)
  local packed = redis.call('GET', K.dead_notes .. id)
  local notes = packed and cmsgpack.unpack(packed) or {}
  local last = notes[#notes]
  if last and last[1] == note[1] and last[2] == note[2] and last[3] == note[3] then return false end
  notes[#notes + 1] = note
  if #notes > most then table.remove(notes, 1) end
  redis.call('SET', K.dead_notes .. id, cmsgpack.pack(notes))
  return true
end
