"""The status service: a program of its own, with a key and a list of its own, that says what was taken back."""
