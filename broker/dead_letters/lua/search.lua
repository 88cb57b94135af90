-- Read the next dead letters with a search term, newest first.
-- Arguments: term, below (an id; "" to start with the newest), most (letters).
-- Returns what read_letters of reading.lua returns.
-- Run twice: nothing changes.
return read_letters(ids_with(term, below, most), false)
