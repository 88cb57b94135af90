"""The inspector's HTTP API, for programs: a face over inspector.operations, described by openapi.json."""
