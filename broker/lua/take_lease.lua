-- One at a time removes old dead letters: take the lease, or keep it.
-- ARGV: owner, for how long in ms; 0 gives it back
-- Returns 0 where it is another's.
go_on_when_full()
local owner = redis.call('GET', K.purging)
if redis.call('PTTL', K.purging) == -1 then owner = nil end -- a lease ends by itself: what never ends is none
if owner and owner ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then redis.call('DEL', K.purging) else redis.call('SET', K.purging, ARGV[1], 'PX', ARGV[2]) end
return 1
