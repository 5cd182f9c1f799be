"""The commands: one module each, whose `command` the group loads; heavy imports stay inside the functions."""
