"""The Lua steps that move work on: commit, settle, digests."""
