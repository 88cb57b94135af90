"""What people can do with dead letters, and how things stand: all the logic behind every face.

A filter of many is walked in pages, so that a million dead letters need no more memory than a hundred.
"""

from broker.dead_letters.stored_actions import Action, Verb, interrupted, release, resume, stop, take
from broker.dead_letters.stored_actions import read as action
from broker.dead_letters.stored_actions import recent as actions
from broker.monitoring.audit import is_position
from broker.monitoring.audit import read as audit
from broker.queue.channel_state import pause as pause_channel
from broker.queue.channel_state import resume as resume_channel
from inspector.operations.bulk_actions import (
    DryRun,
    DryRunError,
    Selection,
    begin,
    carry_out,
    select,
    wanted_of,
)
from inspector.operations.channel_list import read_channels as channels
from inspector.operations.export import Exported, Imported, ImportFileError, Terms, export, import_lines, lines_of
from inspector.operations.filter_description import in_words
from inspector.operations.forget import Forgotten
from inspector.operations.forget import remove as forget
from inspector.operations.purge import PurgeBusyError, Purged, due, purge
from inspector.operations.search import (
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
from inspector.operations.single_letter import (
    EditError,
    editable,
    edited_body,
    masked_dry_run,
    note_on,
    replay_edited,
    reveal,
)
from inspector.operations.status import Source, Status, something, status
from inspector.privacy.person import Person

__all__ = [
    "Action",
    "Choices",
    "CursorError",
    "DryRun",
    "DryRunError",
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
    "is_position",
    "lines_of",
    "masked_dry_run",
    "named",
    "note_on",
    "pause_channel",
    "purge",
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
