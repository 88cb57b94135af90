-- Part: flat replies of pairs (HGETALL, ZPOPMIN, XINFO).

-- Walk through a reply: for field, value in each_pair(reply) do ... end
local function each_pair(reply)
  local i = -1
  return function()
    i = i + 2
    return reply[i], reply[i + 1]
  end
end
