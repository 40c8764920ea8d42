"""Parameters chosen on the ratings themselves: trials, a search in steps, and what it comes to."""
