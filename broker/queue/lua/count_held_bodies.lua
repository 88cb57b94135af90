-- Count the batches of bodies that wait for each partition.
-- Arguments: partitions (how many there are).
-- Returns a list of counts, for partition 0 first.
-- Only reads.
local counts = {}
for home = 0, partitions - 1 do counts[home + 1] = redis.call('LLEN', P.held_bodies .. home) end
return counts
