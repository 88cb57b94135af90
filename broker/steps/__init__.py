"""The Lua steps that process work: commit, settle and digests."""
