"""The inspector's pages, for people who do not like terminals: a face over inspector.operations."""
