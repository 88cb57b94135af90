-- Part: the history of events and notifications.

-- Append the rows of a step to the history. field: `ec` for events, `oc` for outcomes. rows: their block, or nil where no
-- history is kept: see broker/history/tail_blocks.py. fates: one letter for each row: see broker/history/records.py.
-- Nothing is appended where an earlier run of the step has recorded all rows.
local function record(field, rows, fates)
  if not rows then return end
  local letters = table.concat(fates)
  if not letters:find('[^-]') then return end
  if letters:find('[^n]') then
    append_record(K.history, 'MAXLEN', '~', HISTORY_TAIL_MAX, '*', field, rows, 'f', letters)
  else
    append_record(K.history, 'MAXLEN', '~', HISTORY_TAIL_MAX, '*', field, rows)
  end
  redis.call('EXPIRE', K.history, HISTORY_TAIL_TTL_S)
end
