"""Pixels to maps: architectures, devices, model files, tiled prediction. Torch starts here."""
