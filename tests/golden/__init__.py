"""What the generator writes, held in files: any change of its output is seen in review.

`cases` names some option sets, whose trees are kept whole, and lists all of them, each
kept as one digest. base/ is left out of both: it is copied, and a test says so.
Write everything anew with `make golden`, and read the difference.
"""
