"""What `strongroom demo` plays: a stage, a fresh instance, people with clients, eight scenes."""
