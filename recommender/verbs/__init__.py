"""The verbs of the command marquee, by what they are about. Imports wait until a verb needs them."""
