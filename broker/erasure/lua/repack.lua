-- Store dead letters without the dictionary that they are packed against. The dictionary is removed with its last
-- letter.
-- Arguments: dictionary (id), letters (of {id, SHA-1 in hex of the letter as it was read, letter, body}).
-- Returns how many were packed against the dictionary, with those that have changed meanwhile: these stay as they are,
-- for another run.
-- Run twice: 0 the second time.
go_on_when_full()
local there = 0
for i = 1, #letters do
  local id, sha1, letter, body = unpack(letters[i])
  local dimensions, used, tokens, _, _, place = stored(id)
  if dimensions and used == dictionary then
    there = there + 1
    if is_as_read(id, sha1) then
      redis.call('SET', P.dead .. id, cmsgpack.pack({ dimensions, '', tokens, letter, body, place }))
      release_dictionary(dictionary)
    end
  end
end
return there
