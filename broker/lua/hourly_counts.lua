-- How many dead letters of some dimensions died in each of some equal spans of time.
-- ARGV: from ms, length of a span in ms, spans, then dimensions ids ...
local from, step = tonumber(ARGV[1]), tonumber(ARGV[2])
local rows = {}
for i = 4, #ARGV do
  local row = {}
  for n = 1, tonumber(ARGV[3]) do
    row[n] = redis.call('ZCOUNT', K.dead_by .. ARGV[i], from + (n - 1) * step, '(' .. from + n * step)
  end
  rows[#rows + 1] = row
end
return rows
