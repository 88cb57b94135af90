-- Part: the number of partitions for which the homes in this partition were computed.

-- Returns an error where homes were computed for another number of partitions than Redis has; else nil.
local function layout_error(partitions)
  local layout = redis.call('GET', K.layout)
  if layout and layout ~= partitions then return { err = 'WRONGLAYOUT ' .. layout } end
end
