-- A dead letter is thrown away by a person. The sums keep it as buried or dead; discarded says how many are gone.
-- ARGV: dead letter id, fingerprint, job ("" where none belongs to it)
local found = unbury(ARGV[1], ARGV[2])
if found == 1 and ARGV[3] ~= '' then redis.call('DEL', K.done .. ARGV[3]) end
count({ discarded = found })
return found
