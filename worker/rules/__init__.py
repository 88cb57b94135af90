"""Rules: which events notify whom, and how their templates render a payload."""
