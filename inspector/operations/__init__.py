"""Everything that people can do in the inspector. Command line, HTTP API and pages only call these modules."""
