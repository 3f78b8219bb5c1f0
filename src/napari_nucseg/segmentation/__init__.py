"""One image, whole: normalise, size, predict, decode."""
