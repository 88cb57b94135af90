"""From a batch in the stream to notify jobs.

Intake.process walks these steps, each in the module of its name, and never goes back:

read      stream entries                                         intake.py
decode    body -> event, and the mark that deduplicates it       decode.py
match     event -> notifications and digest events, by rules     match.py
plan      entries -> what one commit does with them              planner.py, plan.py
commit    one Lua step; entries of newer versions are deferred   commit.py

Beside them, digests.py closes the windows of digests and makes their notifications.
"""
