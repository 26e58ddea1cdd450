"""What describes the pictures of a clip in numbers."""
