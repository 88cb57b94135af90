"""The inspector's web pages. They show and call what inspector.operations offers."""
