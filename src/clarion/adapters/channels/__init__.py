"""Ways out: one package a channel, each an adapter of `application/ports/channel`."""
