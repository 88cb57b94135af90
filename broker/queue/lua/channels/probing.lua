-- Part: the job that probes a half-open channel.

-- Returns whether a job probes now. A job that does not exist any more cannot end its probe by a send: another program
-- removed it, it was unreadable, or all its notifications were skipped.
local function is_probing(probe_job, probe_until_ms)
  return moment(probe_until_ms) > now and probe_job and redis.call('EXISTS', P.job .. probe_job) == 1
end
