"""The history of events: what became of each event and of each of its notifications.

Each step that changes an event or a notification appends one block of rows to the stream `history` of its
partition, inside the same Lua script:

records.py   the rows, and the blocks that hold them
tail.py      reads the stream
"""
