r"""Synthetic maths problems: a module of families of questions for each subject.

A family is a function that maps a random generator and a level (1 to 5) to a problem and its worked
solution; every public function of a subject's module is one. The level sets the size of the
operands, so that a family has easy and hard members. The solution carries every intermediate
result, because a small model answers token by token: each step is a computation on one or two small
numbers. It ends with the answer in \boxed{...}, in lowest terms. Every equation of numbers in it is
true; a test checks each.
"""
