-- The workers' consumer group, and with it the stream, where they are not there yet.
go_on_when_full()
redis.call('XACK', K.stream, K.group, '0-1') -- moves aside what is no stream
local made = redis.pcall('XGROUP', 'CREATE', K.stream, K.group, '0', 'MKSTREAM')
if made.err and not made.err:find('BUSYGROUP', 1, true) then return made end
return 1
