-- Read dead letters.
-- ARGV: "letters", or "graves" for their bodies too, then ids ...
local ids = {}
for i = 2, #ARGV do ids[i - 1] = ARGV[i] end
return exhumed(ids, ARGV[1] == 'graves')
