"""The composition root: configuration in, running system out; one parent and its workers."""
