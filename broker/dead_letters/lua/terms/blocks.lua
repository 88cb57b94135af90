-- Part: blocks of the index of search terms.

-- A block indexes up to 2,048 letters, which have numbers in it. One key has their ids, in the order of their numbers.
-- Each of 64 keys has the terms with the same six bits of their hash: 4 further bytes, and 2 of the letter's number. So
-- a term takes 6 bytes, and a search reads one key of each block. Of a letter that is removed, the id and the terms are
-- overwritten. A block takes its memory until it has no letter any more.
local BLOCK_LETTERS, ID_BYTES, TERM_KEYS, TERM_BYTES = 2048, 17, 64, 6

-- Read a block: how many letters it `had` and `has`, the `lowest` and the `highest` id; none of these where there is
-- no such block. Its functions are inside, since most scripts that could need them do not: see base.lua.
local function read_block(number)
  local block = { number = number, keys = P.dead_terms .. number .. ':' }
  local state = redis.call('HGET', K.dead_blocks, number) or ''
  local had, has, lowest, highest = state:match('^(%d+) (%d+) (%w+) (%w+)$')
  if had then block.had, block.has, block.lowest, block.highest = tonumber(had), tonumber(has), lowest, highest end

  function block.keep()
    local fields = { block.had, block.has, block.lowest, block.highest }
    redis.call('HSET', K.dead_blocks, number, table.concat(fields, ' '))
  end

  function block.all_keys()
    local names = { block.keys .. 'ids' }
    for i = 0, TERM_KEYS - 1 do names[#names + 1] = block.keys .. i end
    return names
  end

  return block
end
