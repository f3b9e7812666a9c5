"""What an API like Chatbase's says of each thing, read with an open mind.

Names, types and times differ between its versions and its imitators. What is missing is
left empty, what is too long is cut and remarked on, and what makes no sense at all is a
Misfit: one row that stays behind, in a sentence that says why.
"""
