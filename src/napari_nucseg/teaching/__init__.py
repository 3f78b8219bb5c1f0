"""Corrections to a better model: what a person painted is learned, judged, and only then taken up."""
