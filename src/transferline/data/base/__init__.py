"""What most stages read: images, masks and tables."""
