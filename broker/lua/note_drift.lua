-- Deviations that samples of a source's webhooks showed. Told twice, they count twice, and nothing else changes.
-- ARGV: source, most fields, how long it is kept in ms, deviations in all, then field, count ...
-- Returns the fields that were not there before. A full hash takes no new ones.
local drift = K.drift .. ARGV[1]
local fields, fresh = redis.call('HLEN', drift), {}
for i = 5, #ARGV, 2 do
  local known = redis.call('HEXISTS', drift, ARGV[i]) == 1
  if known or fields < tonumber(ARGV[2]) then
    redis.call('HINCRBY', drift, ARGV[i], ARGV[i + 1])
    if not known then
      fields = fields + 1
      fresh[#fresh + 1] = ARGV[i]
    end
  end
end
redis.call('PEXPIRE', drift, ARGV[3])
count({ drift = tonumber(ARGV[4]) })
return fresh
