-- Return bodies to the stream that waited for another partition.
-- Arguments: home (the number of that partition), most (batches).
-- Returns how many batches still wait.
-- Run twice: the second run returns more of them. An element of the list is a line "{bodies} {batch} {places} {any age: 0
-- or 1}" and the bodies as a batch. What another program wrote there goes into the stream too, and becomes a dead letter.
go_on_when_full()
for _ = 1, most do
  local held = redis.call('LINDEX', K.held_bodies, 0)
  if not held then break end
  local bodies, batch, places, any_age, blob = held:match('^(%d+) (%S+) ([%d,]+) ([01])\n(.*)$')
  if bodies then
    queue_batch(bodies, blob, any_age == '1', batch, places)
  else
    queue_batch(0, held)
  end
  redis.call('LTRIM', K.held_bodies, 1, -1)
end
return redis.call('LLEN', K.held_bodies)
