"""The templates of rules: compiled by Jinja2, and rendered in a sandbox with limits."""
