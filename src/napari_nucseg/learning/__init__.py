"""Examples to a model: patches, augmentation, losses, training."""
