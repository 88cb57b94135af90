-- Bodies that died at intake go back into the stream as one batch and stop being dead letters.
-- ARGV: action, owner, batch, "any age" where a person takes what was stale, then letter id, bodies ...
-- Returns how many letters that were; -1 where the action does not go on. All of them, or none where one has gone:
-- then the batch is no longer right.
if not may_act(ARGV[1], ARGV[2]) then return -1 end
local bodies, letters = 0, (#ARGV - 4) / 2
for i = 5, #ARGV, 2 do
  if redis.call('EXISTS', K.dead .. ARGV[i]) == 0 then return 0 end
  bodies = bodies + tonumber(ARGV[i + 1])
end
queue_batch(bodies, ARGV[3], ARGV[4] == 'any age')
for i = 5, #ARGV, 2 do remove_dead_letter(ARGV[i]) end
count({ dead_at_intake = -bodies, queued = bodies, replayed = letters })
acted(ARGV[1], letters)
return letters
