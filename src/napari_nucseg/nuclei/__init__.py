"""What a nucleus is: targets, decoding, scores, measurements. NumPy only, no torch."""
