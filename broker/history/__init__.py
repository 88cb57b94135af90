"""The history of events: what became of each event and of each of its notifications.

Each step that changes an event or a notification appends one block of rows to the stream `history` of its
partition, inside the same Lua script:

records.py      the rows
tail_blocks.py  the blocks that steps append: the rows of one step as columns (columns.py)
tail.py         reads the stream, which is the part that is not sealed yet
sealing.py      turns the old end of the stream into segments (segments.py), and removes the oldest of these
segment_builder.py  makes a segment: blocks of columns (blocks.py) and an index of search terms (token_index.py)
reading.py      reads all of it, newest first
query.py        what is asked, and the answer
"""
