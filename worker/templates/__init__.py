"""The templates of rules: compiled by Jinja2, in a sandbox with bounds."""
