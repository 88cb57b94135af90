"""The inspector's HTTP API, for programs. openapi.json describes it."""
