-- Dead letters that were packed against a dictionary are packed without.
-- ARGV: dictionary, then id, letter, body ...
-- Returns how many were. With the last of them the dictionary goes.
go_on_when_full()
local dict, there = ARGV[1], 0
for i = 2, #ARGV, 3 do
  local letter = kept(ARGV[i])
  if letter and letter[2] == dict then
    redis.call('SET', K.dead .. ARGV[i], cmsgpack.pack({ letter[1], '', letter[3], ARGV[i + 1], ARGV[i + 2] }))
    if redis.call('HINCRBY', K.dead_dicts, dict, -1) <= 0 then
      redis.call('HDEL', K.dead_dicts, dict)
      redis.call('DEL', K.dead_dict .. dict)
    end
    there = there + 1
  end
end
return there
