"""Files of examples as people have them: recognised by their first bytes, read into parts.

`recognise` says what a file is. A reader for each kind returns named arrays or a table; `arrays` and `columns` find out
what in it are inputs and what are labels. Each gives `Part`: some examples and what was understood of them.
"""
