"""Measurements that a person starts: how good the lists are, and how fast a day goes."""
