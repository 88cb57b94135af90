-- Part: reading dead letters.

-- Read a dead letter. Returns dimensions id, dictionary id or "", tokens, letter, body, place; nil where it does not
-- exist. Tokens and place say where its terms are indexed (terms/indexing.lua); earlier versions wrote no place.
-- In Redis it is a msgpack array of these: a hash would take 300 bytes more, as Redis keeps fields of over 64 bytes.
-- A value that cannot be read is returned as the letter, without what else it has.
local function stored(id)
  local value = redis.call('GET', P.dead .. id)
  if not value then return nil end
  local is_read, fields = pcall(cmsgpack.unpack, value)
  if not is_read or type(fields) ~= 'table' then return '', '', '', value, '', '' end
  for i = 1, 5 do
    if type(fields[i]) ~= 'string' then return '', '', '', value, '', '' end
  end
  local dimensions, dictionary, tokens, letter, body, place = unpack(fields)
  if type(place) ~= 'string' or #place % 3 ~= 0 then place = '' end
  return dimensions, dictionary, #tokens % 7 == 0 and tokens or '', letter, body, place
end

-- Read letters by their ids. Returns {rows of {id, when it died here in ms or "", letter or "", dictionary id or "",
-- notes or "", body or "", dimensions id}, flat pairs of dictionary id and dictionary}. One script reads both, since a
-- letter that is removed may take its dictionary with it.
local function read_letters(ids, with_body)
  local rows, dictionaries, is_read = {}, {}, {}
  for i = 1, #ids do
    local id = ids[i]
    local died_at = redis.call('ZSCORE', K.dead_index, id) or ''
    local dimensions, dictionary, _, letter, body = stored(id)
    if not dimensions then -- perhaps only its index entry is left
      redis.call('ZREM', K.dead_index, id)
      dimensions, dictionary, letter, body = '', '', '', ''
    end
    local notes = redis.call('GET', P.dead_notes .. id) or ''
    rows[i] = { id, died_at, letter, dictionary, notes, with_body and body or '', dimensions }
    if dictionary ~= '' and not is_read[dictionary] then
      is_read[dictionary] = true
      dictionaries[#dictionaries + 1] = dictionary
      dictionaries[#dictionaries + 1] = redis.call('GET', P.dead_dict .. dictionary) or ''
    end
  end
  return { rows, dictionaries }
end
