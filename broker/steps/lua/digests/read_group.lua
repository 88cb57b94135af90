-- Read the windows of a group.
-- Arguments: group.
-- Returns {1 if they are open, {digest, window, digest, window ...}}.
-- Only reads.
if redis.call('EXISTS', K.digests_closing) == 1 then return { 0, redis.call('HGETALL', K.digests_closing) } end
return { 1, open_windows_of(group) }
