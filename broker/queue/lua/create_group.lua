-- Create the workers' consumer group, and the stream with it, where they do not exist.
-- Returns 1.
-- Run twice: nothing changes.
go_on_when_full()
redis.call('XACK', K.stream, GROUP, '0-1') -- moves the key aside if it is not a stream
local created = redis.pcall('XGROUP', 'CREATE', K.stream, GROUP, '0', 'MKSTREAM')
if created.err and not created.err:find('BUSYGROUP', 1, true) then return created end
return 1
