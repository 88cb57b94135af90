-- Read dead letters.
-- ARGV: "letters", or "stored_letters" for their bodies too, then ids ...
local ids = {}
for i = 2, #ARGV do ids[i - 1] = ARGV[i] end
return read_dead_letters(ids, ARGV[1] == 'stored_letters')
