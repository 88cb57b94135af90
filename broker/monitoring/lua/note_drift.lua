-- Count deviations from the models that samples of a source's webhooks showed.
-- Arguments: most_fields (of the source's hash; a full hash gets no new fields), kept_ms (after the last sample),
-- deviations (their sum), counts (of {field, count}).
-- Returns the fields that were not there before.
-- Run twice: everything counts twice.
local fields, fresh = redis.call('HLEN', K.drift), {}
for i = 1, #counts do
  local field, samples = unpack(counts[i])
  local is_known = redis.call('HEXISTS', K.drift, field) == 1
  if is_known or fields < most_fields then
    redis.call('HINCRBY', K.drift, field, samples)
    if not is_known then
      fields = fields + 1
      fresh[#fresh + 1] = field
    end
  end
end
redis.call('PEXPIRE', K.drift, kept_ms)
count({ drift = deviations })
return fresh
