-- Put back the layout where it was removed or overwritten by another program.
-- Arguments: found (the text that is there, "" for none), layout (to put back).
-- Run twice: nothing changes the second time.
go_on_when_full()
if (redis.call('GET', K.layout) or '') ~= found then return end
local phase = redis.call('HGET', K.repartition, 'phase')
local is_number = not layout:find(':', 1, true)
if is_number and (phase == 'moving' or phase == 'opening') then return end -- the layout says so too, or will soon
redis.call('SET', K.layout, layout)
