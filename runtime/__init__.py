"""The leaf package: clock, ids, back-off, sockets, client addresses and other things that are not about Redis."""
