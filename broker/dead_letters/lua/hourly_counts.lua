-- Count the dead letters of some combinations of dimensions in each of some equal spans of time.
-- Arguments: kinds (ids of dimensions), from_ms, step_ms (length of a span), steps (how many).
-- Returns a row of counts for each kind.
-- Only reads.
local rows = {}
for i = 1, #kinds do
  local row = {}
  for n = 1, steps do
    row[n] = redis.call('ZCOUNT', P.dead_by .. kinds[i], from_ms + (n - 1) * step_ms, '(' .. from_ms + n * step_ms)
  end
  rows[#rows + 1] = row
end
return rows
