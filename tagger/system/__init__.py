"""What the operating system is asked for: CPUs, the home folder, the end of child processes."""
