-- Add events that are at home in other partitions to digests that are at home here.
-- Arguments: blobs (named below by their index), partitions (the number for which homes were computed), rows (of {batch,
-- place of the body in it, part (PART in broker/steps/digest_packs.py)}), packs (PACK there).
-- Returns how many events were added.
-- Run twice: the marker `applied:{batch}` has a field for each event that was added.
drain_when_full()
local wrong = layout_error(partitions)
if wrong then return wrong end
local created, added = 0, 0
for i = 1, #rows do
  local batch, place, part = unpack(rows[i])
  local marker = P.applied .. batch
  if joins(marker, place, part) then
    created = created + gather(part, packs, blobs)
    added = added + 1
  end
  redis.call('EXPIRE', marker, APPLIED_TTL_S)
end
store_packs(packs, blobs)
count({ created = created, waiting = created, digested = added })
if created > 0 then wake_a_worker() end -- so that it knows when the window ends
return added
