-- Part of every script: a safe redis.call, safe numbers, and the clock of Redis.
-- K has the declared keys. P has the beginnings of keys that a script completes itself. `prefix` is the prefix of the
-- partition. See broker/redis/scripting/scripts.py.

-- A key may hold a value that Hookline never writes: another type, or text where a command adds a number. An error in
-- the middle of a script would leave its other writes half done. So `redis.call` renames such a key to
-- `set-aside:{us}:{name}` and runs the command again, on a key that is empty now. No value is lost, and set-aside lists
-- what was moved.
local driver, type, unpack = redis, type, unpack
local try = driver.pcall

-- In a Redis Cluster, an operator may move the slot of a partition key by key. The node then refuses each key that it
-- does not have, and a script would end in its middle. It also refuses this key, which never exists, before a script
-- has changed anything.
driver.call('EXISTS', prefix)

-- Move away the value for which Redis refused a command. Returns whether a value was moved.
-- This is rare, so the functions are inside: a function costs time each time a script starts.
local function made_way(refusal, command, key, field)
  local function set_aside_name(name)
    local seconds, micros = unpack(driver.call('TIME'))
    return P.set_aside_of .. seconds .. string.format('%06d', micros) .. ':' .. name:sub(#prefix + 1)
  end

  local function list_set_aside(name)
    local seconds, micros = unpack(driver.call('TIME'))
    local answer = try('ZADD', K.set_aside, seconds * 1000 + math.floor(micros / 1000), name)
    return type(answer) == 'number'
  end

  local function set_key_aside()
    local name = set_aside_name(key)
    driver.call('RENAME', key, name)
    driver.call('PERSIST', name)
    if not list_set_aside(name) then -- the list has a wrong type too
      driver.call('RENAME', K.set_aside, set_aside_name(K.set_aside))
      list_set_aside(name)
    end
  end

  local function set_field_aside()
    local name = set_aside_name(key)
    driver.call('HSET', name, field, driver.call('HGET', key, field))
    driver.call('HDEL', key, field)
    list_set_aside(name)
  end

  if command == 'XGROUP' or command == 'XINFO' then key = field end
  if not key or key:sub(1, #prefix) ~= prefix or driver.call('EXISTS', key) == 0 then return false end
  if refusal:find('WRONGTYPE', 1, true) then
    set_key_aside()
    return true
  end
  for _, reason in ipairs({ 'value is not an integer', 'value is not a float', 'would overflow' }) do
    if refusal:find(reason, 1, true) then
      if command == 'HINCRBY' then set_field_aside() else set_key_aside() end
      return true
    end
  end
  return false
end

local function call(...)
  local answer = try(...)
  if type(answer) ~= 'table' or not answer.err then return answer end
  made_way(answer.err, ...)
  return driver.call(...) -- raises the error if Redis refused the command for another reason
end

local redis = { call = call, pcall = try, sha1hex = driver.sha1hex }

-- The number that a text holds; 0 for other text, and for a number too large to be exact.
local to_number = tonumber
local function tonumber(value, base)
  local number = base and to_number(value, base) or not base and to_number(value)
  if number and number > -2 ^ 53 and number < 2 ^ 53 then return number end
  return 0
end

-- Now in ms since 1970. Scores and leases use this clock alone, since the clocks of workers differ.
local now
do
  local seconds, micros = unpack(driver.call('TIME'))
  now = tonumber(seconds) * 1000 + math.floor(tonumber(micros) / 1000)
end

-- A time in ms since 1970 that a script waits for; 0 for no time. A time more than a month ahead counts as no time,
-- since Hookline never writes one.
local function moment(value)
  local MONTH_MS = 30 * 86400000
  local ms = tonumber(value)
  return ms <= now + MONTH_MS and ms or 0
end
