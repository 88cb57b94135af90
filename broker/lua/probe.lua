-- Tries whether this Redis runs scripts and takes writes. All that it leaves is a key that expires.
-- ARGV: 1 to write in any case. Else it writes only where the key is gone, so that a probe a second costs the
-- append-only file nothing: Redis checks whether it takes a write before it looks for the key.
if ARGV[1] == '1' then
  redis.call('SET', K.probe, '1', 'PX', K.probe_ttl_ms)
else
  redis.call('SET', K.probe, '1', 'NX', 'PX', K.probe_ttl_ms)
end
return 1
