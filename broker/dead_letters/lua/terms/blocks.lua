-- Part: blocks of the index of search terms.

-- A block indexes up to 2,048 letters, which have numbers in it. One key has their ids, in the order of their numbers.
-- Each of 64 keys has the terms with the same six bits of their hash: 4 further bytes, and 2 of the number of the letter.
-- So a term takes 6 bytes, and a search reads one key of each block. Of a letter that is removed, the id and the terms
-- are overwritten. A block takes its memory until it has no letter any more.
local BLOCK_LETTERS, ID_BYTES, TERM_KEYS, TERM_BYTES = 2048, 17, 64, 6

-- Read the state of a block: how many letters it has had and has, and the lowest and the highest id. Returns nothing
-- where there is no such block.
local function block_at(block)
  local had, has, lowest, highest = (redis.call('HGET', K.dead_blocks, block) or ''):match('^(%d+) (%d+) (%w+) (%w+)$')
  if had then return tonumber(had), tonumber(has), lowest, highest end
end

local function keep_block(block, ...) redis.call('HSET', K.dead_blocks, block, table.concat({ ... }, ' ')) end

-- Returns the names of all keys of a block.
local function keys_of_block(block)
  local names = { P.dead_terms .. block .. ':ids' }
  for number = 0, TERM_KEYS - 1 do names[#names + 1] = P.dead_terms .. block .. ':' .. number end
  return names
end
