"""What comes in: images, datasets, downloads, synthetic samples. No torch, no Qt."""
