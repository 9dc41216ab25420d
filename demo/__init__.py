"""The demonstration: real servers under one supervisor, and the story played on them. Nothing below imports it."""
