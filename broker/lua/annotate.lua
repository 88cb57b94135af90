-- A person's note on dead letters; told twice, it stands once.
-- ARGV: note (msgpack), most notes of a letter, audit entry, then ids ...
-- Returns how many are there.
local note, there, news = cmsgpack.unpack(ARGV[1]), 0, 0
for i = 4, #ARGV do
  if redis.call('EXISTS', K.dead .. ARGV[i]) == 1 then
    if noted(ARGV[i], note, tonumber(ARGV[2])) then news = news + 1 end
    there = there + 1
  end
end
if news > 0 then append_audit(ARGV[3]) end
return there
