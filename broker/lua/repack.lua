-- Dead letters that were packed against a dictionary are packed without.
-- ARGV: dictionary, then id, the SHA-1 in hex of the letter as it was read, letter, body ...
-- Returns how many were, and those that are another by now: these stay as they are, for another run. With the last
-- letter the dictionary goes.
go_on_when_full()
local dict, there = ARGV[1], 0
for i = 2, #ARGV, 4 do
  local letter = kept(ARGV[i])
  if letter and letter[2] == dict then
    there = there + 1
    if is_as_read(ARGV[i], ARGV[i + 1]) then
      redis.call('SET', K.dead .. ARGV[i], cmsgpack.pack({ letter[1], '', letter[3], ARGV[i + 2], ARGV[i + 3] }))
      if redis.call('HINCRBY', K.dead_dicts, dict, -1) <= 0 then
        redis.call('HDEL', K.dead_dicts, dict)
        redis.call('DEL', K.dead_dict .. dict)
      end
    end
  end
end
return there
