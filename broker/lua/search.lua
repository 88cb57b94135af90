-- The next dead letters with a term below an id, newest first.
-- ARGV: term, id ("" for none), how many
return read_dead_letters(ids_with(ARGV[1], ARGV[2], ARGV[3]), false)
