-- A person's note on dead letters; told twice, it stands once.
-- ARGV: note (msgpack), most notes of a letter, then ids ...
-- Returns how many are there.
local note, there = cmsgpack.unpack(ARGV[1]), 0
for i = 3, #ARGV do
  if redis.call('EXISTS', K.dead .. ARGV[i]) == 1 then
    noted(ARGV[i], note, tonumber(ARGV[2]))
    there = there + 1
  end
end
return there
