-- Read the next dead letters with a search term, newest first.
-- Arguments: term, below (an id; "" to start with the newest), most (letters).
-- Returns what read_letters of reading.lua returns.
-- Run twice: nothing changes.

-- Leave the ids of the page, the newest first.
local function keep_page(ids)
  table.sort(ids, function(a, b) return a > b end)
  for i = #ids, most + 1, -1 do ids[i] = nil end
end

-- Find a token among terms, from a place on. Returns its place, or nil.
local function term_at(terms, token, from)
  local at = terms:find(token, from, true)
  while at and at % TERM_BYTES ~= 1 do at = terms:find(token, at + 1, true) end
  return at
end

-- Returns the blocks that may have ids below a given one, those with the highest ids first.
local function blocks_below()
  local states, blocks = redis.call('HGETALL', K.dead_blocks), {}
  for i = 1, #states, 2 do
    local lowest, highest = states[i + 1]:match('^%d+ %d+ (%w+) (%w+)$')
    if highest and (below == '' or lowest < below) then
      blocks[#blocks + 1] = { keys = P.dead_terms .. states[i] .. ':', highest = highest }
    end
  end
  table.sort(blocks, function(a, b) return a.highest > b.highest end)
  return blocks
end

-- Add the ids of a block's letters with the term. keys: the beginning of its keys.
local function add_ids(ids, keys, bucket, token)
  local terms = redis.call('GET', keys .. bucket % TERM_KEYS) or ''
  local at = term_at(terms, token, 1)
  local all = at and redis.call('GET', keys .. 'ids') or ''
  while at do
    local before = struct.unpack('>I2', terms, at + #token) * ID_BYTES
    local id = all:sub(before + 1, before + ID_BYTES)
    if #id == ID_BYTES and (below == '' or id < below) then ids[#ids + 1] = id end
    at = term_at(terms, token, at + TERM_BYTES)
  end
end

local ids = ids_with(term, below, most)
keep_page(ids)
local bucket, token = token_of(term)
local blocks = bucket and blocks_below() or {}
for i = 1, #blocks do
  local is_page_full = #ids == most and ids[most] > blocks[i].highest
  if is_page_full then break end
  add_ids(ids, blocks[i].keys, bucket, token)
  keep_page(ids)
end
return read_letters(ids, false)
