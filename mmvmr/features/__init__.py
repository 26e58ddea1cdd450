"""From video files to clip features."""
