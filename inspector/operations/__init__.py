"""What people can do with dead letters, and how things stand: all the logic behind every face.

A filter of many is walked in pages, so that a million dead letters need no more memory than a hundred.
"""

from broker.actions import Action, Verb, interrupted, release, resume, stop, take
from broker.actions import read as action
from broker.actions import recent as actions
from broker.audit import is_place
from broker.audit import read as audit
from broker.channels import pause as pause_channel
from broker.channels import resume as resume_channel
from inspector.operations.acting import (
    RehearsalError,
    Rehearse,
    Selection,
    begin,
    carry_out,
    select,
    wanted_of,
)
from inspector.operations.exporting import (
    Exported,
    Imported,
    ImportFileError,
    Terms,
    export,
    import_lines,
    lines_of,
)
from inspector.operations.finding import (
    Choices,
    CursorError,
    Filter,
    Found,
    Group,
    Page,
    choices,
    count,
    find,
    get,
    groups,
    named,
)
from inspector.operations.forgetting import Forgotten
from inspector.operations.forgetting import remove as forget
from inspector.operations.person import Person
from inspector.operations.purging import PurgeBusyError, Purged, due, purge
from inspector.operations.single import (
    EditError,
    editable,
    edited_body,
    note_on,
    rehearsed,
    replay_edited,
    reveal,
)
from inspector.operations.status import Source, Status, something, status
from inspector.operations.switching import read_channels as channels
from inspector.operations.words import in_words

__all__ = [
    "Action",
    "Choices",
    "CursorError",
    "EditError",
    "Exported",
    "Filter",
    "Forgotten",
    "Found",
    "Group",
    "ImportFileError",
    "Imported",
    "Page",
    "Person",
    "PurgeBusyError",
    "Purged",
    "RehearsalError",
    "Rehearse",
    "Selection",
    "Source",
    "Status",
    "Terms",
    "Verb",
    "action",
    "actions",
    "audit",
    "begin",
    "carry_out",
    "channels",
    "choices",
    "count",
    "due",
    "editable",
    "edited_body",
    "export",
    "find",
    "forget",
    "get",
    "groups",
    "import_lines",
    "in_words",
    "interrupted",
    "is_place",
    "lines_of",
    "named",
    "note_on",
    "pause_channel",
    "purge",
    "rehearsed",
    "release",
    "replay_edited",
    "resume",
    "resume_channel",
    "reveal",
    "select",
    "something",
    "status",
    "stop",
    "take",
    "wanted_of",
]
