"""Other programs' files: their training configs become plans, and a plan becomes launch files for real engines.

One module a format, each with the same names: `TITLE`, `NAMES` (endings of its files), `read(text)` where a plan can
be made of it and `write(plan)` where one can be written. `formats` lists them; `adoption` lays what a file says over a
plan.
"""
