-- Read dead letters.
-- Arguments: ids, with_bodies (1 or 0).
-- Returns what read_letters of reading.lua returns.
-- Run twice: nothing changes. An index entry without a letter is removed.
return read_letters(ids, with_bodies == 1)
