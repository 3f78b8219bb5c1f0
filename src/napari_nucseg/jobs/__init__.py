"""Many images: batch segmentation, evaluation runs, export formats."""
