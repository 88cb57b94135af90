-- Part: how a script behaves when Redis is at maxmemory. Redis then refuses the first write of a script, unless it is a
-- command that only frees memory (DEL, XACK), and accepts every write after the first. So a script that may run on a
-- full Redis begins with one of these functions, and then changes everything or nothing.

-- For scripts that only add data and can wait: refuse to run.
local function refuse_if_full()
  redis.call('HINCRBY', K.stats_total, 'accepted', 0)
end

-- For scripts that free memory in the end, or use a few bytes for a while: run.
local function go_on_when_full()
  redis.call('DEL', P.job) -- no job has an empty id
end

-- For scripts that empty a queue but may add more than they free, for a while (retries) or until deleted (dead
-- letters): run up to 1.25 x maxmemory, and refuse beyond.
local function drain_when_full()
  local answer = redis.pcall('HINCRBY', K.stats_total, 'accepted', 0)
  if type(answer) == 'table' and answer.err then
    -- Some platforms leave out fields of INFO. Without them the bound is unknown, so the script is refused.
    local memory = redis.pcall('INFO', 'memory')
    if type(memory) ~= 'string' then refuse_if_full() end
    local used, most = memory:match('used_memory:(%d+)'), memory:match('maxmemory:(%d+)')
    if not used or not most or tonumber(used) > 1.25 * tonumber(most) then refuse_if_full() end
    go_on_when_full()
  end
end
