"""Fuzzing of every parser, for `make fuzz`; nothing of it runs by chance in `make test`."""
