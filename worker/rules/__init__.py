"""Which events notify whom, and what a rule makes of a payload."""
